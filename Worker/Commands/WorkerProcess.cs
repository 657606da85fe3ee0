using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Cluster;
using Distributed.Worker.Natives;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prometheus;

namespace Distributed.Worker.Commands;

internal sealed record WorkerArguments(
    string Coordinator, string Device, string? Name, string? Host, string? Bind, string? DataDirectory, long DataLimit,
    IReadOnlyList<string> Plugins, int LinkPort, int MetricsPort, string? MetricsBind, IReadOnlyList<string> AllowedHosts,
    double MemoryFraction, TimeSpan Timeout, SecurityArguments Security, bool WithParent);

internal static class WorkerProcess
{
    public static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(5);

    /// <returns>Exit code: 0 done, 1 failed, 2 invalid input.</returns>
    public static async Task<int> RunAsync(WorkerArguments arguments)
    {
        InformingWriter.Install();
        if (arguments.WithParent) EndWithParent();
        if (AddressIn(arguments.Coordinator) is not { } coordinator)
            return CommandLine.Fail(2, $"--coordinator is '{arguments.Coordinator}'; allowed: HOST:PORT");
        TorchSharp.torch.Device device;
        PluginSet plugins;
        try
        {
            // Before the first use of TorchSharp.
            if (!NativeHeap.KeepFreed()) Console.WriteLine("warning: malloc accepts no settings here; steps may be slower");
            ExternalLibtorch.Load(Console.WriteLine);
            device = Devices.Resolve(arguments.Device);
            if (device.type == TorchSharp.DeviceType.CUDA) DeterministicKernels.Request();
            plugins = PluginSet.Load(arguments.Plugins);
        }
        catch (Exception error) when (error is DeviceException or LibtorchException or PluginException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: !arguments.WithParent);
        try
        {
            var end = await WorkAsync(arguments, coordinator, device, plugins, signals.Stopping);
            return end.ExitCode == 0 ? Done(end.Reason) : CommandLine.Fail(end.ExitCode, end.Reason);
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return Done("it was told to stop");
        }
        catch (Exception error) when (error is CertificateException or JoinTokenException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        catch (SocketException error)
        {
            return CommandLine.Fail(1, $"the coordinator at {arguments.Coordinator} cannot be reached: {error.Message}");
        }
        catch (IOException error)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static int Done(string reason)
    {
        Console.WriteLine($"Done: {Shown.InFull(reason)}.");
        return 0;
    }

    // Joins the cluster and leaves it, as often as the worker returns. The log is complete when this returns.
    private static async Task<WorkerEnd> WorkAsync(
        WorkerArguments arguments, DnsEndPoint coordinator, TorchSharp.torch.Device device, PluginSet plugins, CancellationToken stopping)
    {
        var ownHost = arguments.Host ?? await OwnAddressTowardsAsync(coordinator, stopping);
        using var security = NodeSecurity.Open(ownHost, arguments.Security) ?? throw new JoinTokenException(
            $"a worker has to prove that it may take part: give it a copy of {JoinTokenFile.Name} in the run folder of its coordinator "
            + "with --token-file FILE, or --certs DIR where the coordinator has certificates");
        var registry = Metrics.NewCustomRegistry();
        ProcessMetrics.Register(registry);
        var metrics = new WorkerMetrics(registry, $"{device}");
        var readiness = new Readiness("joining the cluster");
        var metricsBind = arguments.MetricsBind ?? arguments.Bind ?? ownHost;
        await using var status = await StatusServer.StartAsync(metricsBind, arguments.MetricsPort, registry, () => readiness.NotReady,
            new() { Names = new([ownHost, arguments.Bind, metricsBind, .. arguments.AllowedHosts]) }, stopping);
        var options = new WorkerOptions(
            arguments.Name ?? DefaultName(), arguments.Coordinator, ownHost, arguments.LinkPort, device,
            new() { DataDirectory = arguments.DataDirectory, DeliveryLimit = arguments.DataLimit }, arguments.Timeout)
        {
            Bind = arguments.Bind,
            // The coordinator publishes only an address that others can reach.
            MetricsPort = arguments.MetricsBind is null || metricsBind == ownHost || IsAny(metricsBind) ? status.Address.Port : 0,
            Plugins = plugins,
            Links = new() { Certificates = security.Certificates, Token = security.Token, Refused = metrics.Links.ConnectionRefused },
            MemoryFraction = arguments.MemoryFraction,
        };
        var metricsAddress = IsAny(metricsBind) ? new UriBuilder(status.Address) { Host = ownHost }.Uri : status.Address;
        Console.WriteLine($"Metrics at {metricsAddress}metrics");
        var former = Task.CompletedTask;
        var lastMember = Stopwatch.GetTimestamp();
        var returns = new ReturnPause();
        var pause = TimeSpan.Zero;
        var wasMember = false;
        for (WorkerSession? session = null; ;)
        {
            var stranger = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var host = NodeHost.Build(ownHost, 0, ClusterNode.WorkerRole, arguments.Coordinator, logging =>
                logging.AddProvider(new LimitedLog(Console.WriteLine, TimeProvider.System)), security, metrics.Control, arguments.Bind,
                address =>
                {
                    if ($"{address.Host}:{address.Port}" == arguments.Coordinator) stranger.TrySetResult();
                });
            try
            {
                await Task.Delay(pause, stopping);
                await host.StartAsync(stopping);
            }
            catch (OperationCanceledException)
            {
                host.Dispose();
                session?.Dispose();
                await Task.WhenAll(former, session?.Replica.Completion ?? Task.CompletedTask);
                throw;
            }
            var began = Stopwatch.GetTimestamp();
            var living = LiveAsync(host, options with { Remaining = Left() }, metrics, readiness, session, stopping);
            // A former member waits for its coordinator, even if another process listens at that address meanwhile.
            if (!wasMember && await Task.WhenAny(living, stranger.Task) == stranger.Task)
            {
                await LeaveAsync(host);
                return new(1, $"the coordinator at {arguments.Coordinator} does not hold the join token of "
                    + $"'{arguments.Security.TokenFile}': give a copy of the one in the folder of its run with --token-file");
            }
            var outcome = await living;
            // This node may still leave while the next one joins.
            former = Task.WhenAll(former, LeaveAsync(host));
            session = outcome.Session;
            wasMember |= outcome.TookPart;
            if (outcome.TookPart) lastMember = Stopwatch.GetTimestamp();
            pause = outcome.WasRefused ? returns.After(Stopwatch.GetElapsedTime(began)) : TimeSpan.Zero;
            // A worker that is rejected each time gives up when the timeout has passed.
            if (outcome.MayReturn && Left() > TimeSpan.Zero) continue;
            await former;
            return outcome;
        }

        TimeSpan Left() => arguments.Timeout - Stopwatch.GetElapsedTime(lastMember);
    }

    private static async Task<WorkerEnd> LiveAsync(
        IHost host, WorkerOptions options, WorkerMetrics metrics, Readiness readiness, WorkerSession? session, CancellationToken stopping)
    {
        var end = new TaskCompletionSource<WorkerEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
        var log = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger<LinkListener>();
        var worker = host.Services.GetRequiredService<ActorSystem>()
            .ActorOf(Props.Create(() => new WorkerActor(options, end, metrics, readiness, log, session)), ClusterNode.WorkerActor);
        using var leaving = stopping.Register(() =>
        {
            worker.Tell(new Leave("it was told to stop"));
            var late = $"it was told to stop, and the coordinator did not let it go within {LeaveTimeout.TotalSeconds} s";
            _ = Task.Delay(LeaveTimeout).ContinueWith(_ => end.TrySetResult(new(1, late)), TaskScheduler.Default);
        });
        return await end.Task;
    }

    private static async Task LeaveAsync(IHost host)
    {
        await NodeHost.LeaveAsync(host, _stopTimeout, Console.WriteLine);
        host.Dispose();
    }

    private static bool IsAny(string bind) =>
        IPAddress.TryParse(bind, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    private static DnsEndPoint? AddressIn(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text[(colon + 1)..], out var port) && port > 0 ? new(text[..colon], port) : null;
    }

    // Connecting a datagram socket sends nothing; it only chooses the route.
    private static async Task<string> OwnAddressTowardsAsync(DnsEndPoint coordinator, CancellationToken cancellation)
    {
        using var socket = new Socket(SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(coordinator, cancellation);
        var address = ((IPEndPoint)socket.LocalEndPoint!).Address;
        return (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
    }

    private static string DefaultName()
    {
        var machine = Environment.MachineName.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-');
        return $"{string.Concat(machine)}-{Environment.ProcessId}";
    }

    // The coordinator holds the other end of standard input; the system closes it, however the coordinator ends.
    private static void EndWithParent() => new Thread(() =>
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[256];
        while (input.Read(buffer) > 0)
        {
            // The coordinator writes nothing.
        }
        Environment.Exit(1);
    })
    { IsBackground = true, Name = "parent" }.Start();
}

// How long a rejected worker waits before it returns. It returns at once the first time. A worker that is rejected again and again,
// because another one cannot reach it, stops the whole cluster each time, so its wait doubles.
internal sealed class ReturnPause
{
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>A worker that stayed this long has returned for good; its next wait is 0 again.</summary>
    public static readonly TimeSpan Stay = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan _first = TimeSpan.FromSeconds(1);
    private TimeSpan _next;

    public TimeSpan After(TimeSpan stayed)
    {
        var pause = stayed >= Stay ? TimeSpan.Zero : _next;
        _next = pause == TimeSpan.Zero ? _first : 2 * pause < Longest ? 2 * pause : Longest;
        return pause;
    }
}
