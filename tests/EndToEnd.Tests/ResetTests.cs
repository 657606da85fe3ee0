using System.Diagnostics;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Control connections are reset while a run trains; its tensor links stay open.</summary>
[Collection(Torch.Name)]
public sealed partial class ResetTests
{
    /// <summary>Enough for the slowest reset and the steps of the run.</summary>
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("mesh", 5, 100)]
    [InlineData("star", 0, 100)]
    public async Task Repeated_resets_of_control_connections_change_no_bit_and_lose_no_sample(string topology, int usual, int thorough)
    {
        Effort.SkipUnlessThorough(usual == 0, "The other topology has five resets.");
        Assert.SkipUnless(CanReset(), "`ss -K` cannot reset connections here: it takes root and a kernel with INET_DIAG_DESTROY.");
        var resets = Effort.Of(usual, thorough);
        var job = SmallJobs.Medium with { Topology = topology, Epochs = 10 + (6 * resets) };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        var ports = Nodes().Matches(await File.ReadAllTextAsync(run["logs/coordinator.log"])).Select(node => node.Groups[1].Value)
            .Distinct().ToList();
        Assert.Equal(3, ports.Count);
        var done = 0;
        for (; done < resets && run.Coordinator.Self.IsRunning; done++)
        {
            await ResetAsync(ports);
            // New reports arrive over a new connection.
            await run.RecordsAsync(run.Recorded + 20, run.Coordinator);
        }
        await run.Coordinator.EndsWithAsync(0, _timeout);
        Assert.Equal(resets, done);
        Assert.DoesNotContain(run.Coordinator.Output, line =>
            line.Contains("turned away", StringComparison.Ordinal) || line.Contains("lost", StringComparison.Ordinal));
        Assert.Equal(2, run.Report.Workers);
        SameBits.Require(job, run);
    }

    /// <summary>
    /// Resets all control connections once there are any: the awaited steps may have been reported before the last reset. The first node
    /// with a message reconnects, so the ports of all nodes count.
    /// </summary>
    private static async Task ResetAsync(IReadOnlyList<string> ports)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
        while (Reset(ports) == 0) await Task.Delay(TimeSpan.FromMilliseconds(20), overdue.Token);
    }

    private static bool CanReset() =>
        OperatingSystem.IsLinux() && Environment.UserName == "root" && File.Exists("/usr/bin/ss") && Reset(["1"]) == 0;

    /// <returns>Connections to these ports that were reset.</returns>
    private static int Reset(IReadOnlyList<string> ports)
    {
        var filter = string.Join(" or ", ports.Select(port => $"sport = :{port}"));
        using var ss = Process.Start(new ProcessStartInfo("ss", ["-K", "-t", "-H", "state", "established", "(", .. filter.Split(' '), ")"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var lines = ss.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        ss.WaitForExit();
        return lines.Length;
    }

    [GeneratedRegex(@"distributed@127\.0\.0\.1:(\d+)")]
    private static partial Regex Nodes();
}
