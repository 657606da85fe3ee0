using System.Diagnostics;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Control connections that are reset while a run trains; its links stay as they are.</summary>
[Collection(Torch.Name)]
public sealed partial class ResetTests
{
    /// <summary>As long as the slowest of all resets takes, and the steps of the run with it.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("mesh", 5, 100)]
    [InlineData("star", 0, 100)]
    public async Task However_often_control_connections_are_reset_no_bit_changes_and_every_sample_is_in_the_ledger(string topology, int usual, int thorough)
    {
        Effort.SkipUnlessThorough(usual == 0, "The other topology has five resets.");
        Assert.SkipUnless(CanReset(), "`ss -K` cannot reset connections here: it takes root and a kernel with INET_DIAG_DESTROY.");
        var resets = Effort.Of(usual, thorough);
        var job = SmallJobs.Medium with { Topology = topology, Epochs = 10 + (6 * resets) };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        var ports = Nodes().Matches(await File.ReadAllTextAsync(run["logs/coordinator.log"])).Select(node => node.Groups[1].Value).Distinct().ToList();
        Assert.Equal(3, ports.Count);
        var done = 0;
        for (; done < resets && run.Coordinator.Self.IsRunning; done++)
        {
            await ResetAsync(ports);
            // What was reported since is reported over a new connection.
            await run.RecordsAsync(run.Recorded + 20, run.Coordinator);
        }
        await run.Coordinator.EndsWithAsync(0, _patience);
        Assert.Equal(resets, done);
        Assert.DoesNotContain(run.Coordinator.Output, line => line.Contains("turned away", StringComparison.Ordinal) || line.Contains("lost", StringComparison.Ordinal));
        Assert.Equal(2, run.Report.Workers);
        SameBits.Require(job, run);
    }

    /// <summary>
    /// Resets all control connections, as soon as there are any: the steps that are waited for may have been reported before the last reset.
    /// The node that has something to say first connects again, so the ports of all nodes count.
    /// </summary>
    private static async Task ResetAsync(IReadOnlyList<string> ports)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Patience);
        while (Reset(ports) == 0) await Task.Delay(TimeSpan.FromMilliseconds(20), overdue.Token);
    }

    private static bool CanReset() => OperatingSystem.IsLinux() && Environment.UserName == "root" && File.Exists("/usr/bin/ss") && Reset(["1"]) == 0;

    /// <returns>Connections to these ports that were reset.</returns>
    private static int Reset(IReadOnlyList<string> ports)
    {
        using var ss = Process.Start(new ProcessStartInfo("ss", ["-K", "-t", "-H", "state", "established", "(", .. string.Join(" or ", ports.Select(port => $"sport = :{port}")).Split(' '), ")"])
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
