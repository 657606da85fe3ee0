using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Strangers connect to every port of a coordinator as fast as they can, and hold the connections.</summary>
[Collection(Torch.Name)]
public sealed partial class FloodTests
{
    /// <summary>The timeout of a Kubernetes probe (k8s/base/coordinator.yaml).</summary>
    private static readonly TimeSpan _probeTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Connections that the strangers hold open at each port.</summary>
    private const int Held = 1000;

    [Fact]
    public async Task Connections_without_end_at_every_port_hold_up_neither_probes_nor_the_run_and_fill_neither_memory_nor_log()
    {
        var (rate, duration) = (Effort.Of(200, 1000), TimeSpan.FromSeconds(Effort.Of(3, 60)));
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "1");
        var address = (await run.Coordinator.LineAsync(MetricsAt())).Groups[1].Value;
        await run.TrainsAsync();
        using var state = JsonDocument.Parse(await File.ReadAllTextAsync(run["coordinator.json"]));
        string[] ports = ["port", "link_port", "metrics_port", "page_port"];
        var (memory, steps, log) = (await WorkingSetAsync(address), run.Recorded, LogBytes(run));

        using var over = new CancellationTokenSource(duration);
        var began = Stopwatch.GetTimestamp();
        var floods = ports.Select(port => Task.Run(() => FloodAsync(state.RootElement.GetProperty(port).GetInt32(), rate, over.Token)))
            .ToList();
        List<TimeSpan> probes = [];
        var most = memory;
        while (!over.IsCancellationRequested)
        {
            foreach (var probe in (string[])["healthz", "readyz"]) probes.Add(await ProbeAsync($"{address}{probe}"));
            most = Math.Max(most, await WorkingSetAsync(address));
            await Task.Delay(TimeSpan.FromMilliseconds(100));
        }
        var connections = await Task.WhenAll(floods);
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var rates = string.Join(", ", ports.Zip(connections).Select(port => $"{port.First} {port.Second / seconds:0}"));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{seconds:0.0} s; connections a second: {rates}; {probes.Count} probes, "
            + $"the slowest {probes.Max().TotalMilliseconds:0} ms; memory {memory >> 20} MiB before, {most >> 20} MiB at most; "
            + $"log {LogBytes(run) - log} bytes more; {run.Recorded - steps} steps");
        Assert.True(probes.Max() < _probeTimeout, $"a probe took {probes.Max()}");
        // Garbage of 240,000 connections that is not collected yet; 60 s took 148 MiB.
        Assert.InRange(most - memory, long.MinValue, (long)Effort.Of(128, 256) << 20);
        Assert.InRange(LogBytes(run) - log, 0, Effort.Of(256, 1024) << 10);
        Assert.InRange(run.Recorded, steps + 1, long.MaxValue);
        Assert.True(run.Coordinator.Self.IsRunning);
        Assert.Matches(@"distributed_refused_connections_total\{plane=""http"",reason=""crowded""\} [1-9]",
            await ReadAsync($"{address}metrics"));
        Assert.Matches(@"distributed_refused_connections_total\{plane=""links"",reason=""(crowded|closed|garbage)""\} [1-9]",
            await ReadAsync($"{address}metrics"));
    }

    /// <returns>Connections made.</returns>
    private static async Task<long> FloodAsync(int port, int rate, CancellationToken over)
    {
        var target = new IPEndPoint(IPAddress.Loopback, port);
        var held = new Queue<Socket>();
        var began = Stopwatch.GetTimestamp();
        var made = 0L;
        while (!over.IsCancellationRequested)
        {
            for (; made < Stopwatch.GetElapsedTime(began).TotalSeconds * rate && !over.IsCancellationRequested; made++)
            {
                // From other addresses than the probes; a reset leaves no port in TIME_WAIT.
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new(true, 0) };
                try
                {
                    socket.Bind(new IPEndPoint(IPAddress.Parse($"127.0.0.{2 + (made % 8)}"), 0));
                    socket.Connect(target);
                    // Silent, half a greeting, garbage.
                    if (made % 3 > 0) socket.Send(made % 3 == 1 ? "GET /healthz HTTP/1.1\r\nHo"u8 : [22, 3, 1, 0, 0, 0, 0, 0, 0, 0]);
                    held.Enqueue(socket);
                }
                catch (SocketException)
                {
                    socket.Dispose();
                }
                if (held.Count > Held) held.Dequeue().Dispose();
            }
            await Task.Delay(TimeSpan.FromMilliseconds(5), CancellationToken.None);
        }
        while (held.TryDequeue(out var socket)) socket.Dispose();
        return made;
    }

    /// <summary>On a connection of its own, as a kubelet does.</summary>
    private static async Task<TimeSpan> ProbeAsync(string address)
    {
        var began = Stopwatch.GetTimestamp();
        Assert.Equal("ok", await ReadAsync(address));
        return Stopwatch.GetElapsedTime(began);
    }

    private static async Task<string> ReadAsync(string address)
    {
        using var client = new HttpClient { Timeout = _probeTimeout };
        return await client.GetStringAsync(address);
    }

    private static async Task<long> WorkingSetAsync(string address) =>
        (long)double.Parse(WorkingSet().Match(await ReadAsync($"{address}metrics")).Groups[1].Value, CultureInfo.InvariantCulture);

    private static long LogBytes(TrainingRun run) =>
        new DirectoryInfo(run["logs"]).EnumerateFiles("coordinator.log*").Sum(file => file.Length);

    [GeneratedRegex(@"(?i)\bmetrics at (http://\S+/)metrics")]
    private static partial Regex MetricsAt();

    [GeneratedRegex(@"(?m)^process_working_set_bytes (\S+)")]
    private static partial Regex WorkingSet();
}
