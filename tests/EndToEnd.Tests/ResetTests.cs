using System.Diagnostics;
using System.Text.Json;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Control connections that are reset while a run trains; its links stay as they are.</summary>
[Collection(Torch.Name)]
public sealed class ResetTests
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
        var job = Jobs.Medium with { Topology = topology, Epochs = 5 + (2 * resets) };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        var port = JsonDocument.Parse(await File.ReadAllTextAsync(run["coordinator.json"])).RootElement.GetProperty("port").GetInt32();
        var done = 0;
        for (; done < resets && run.Coordinator.Self.IsRunning; done++)
        {
            await ResetAsync(port);
            // What was reported since is reported over a new connection.
            await run.RecordsAsync(run.Recorded + 20, run.Coordinator);
        }
        await run.Coordinator.EndsWithAsync(0, _patience);
        Assert.Equal(resets, done);
        Assert.DoesNotContain(run.Coordinator.Output, line => line.Contains("turned away", StringComparison.Ordinal) || line.Contains("lost", StringComparison.Ordinal));
        Assert.Equal(2, run.Report.Workers);
        SameBits.Require(job, run);
    }

    /// <summary>Resets all connections, as soon as there are any: the steps that are waited for may have been reported before the last reset.</summary>
    private static async Task ResetAsync(int port)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Patience);
        while (Reset(port) == 0) await Task.Delay(TimeSpan.FromMilliseconds(20), overdue.Token);
    }

    private static bool CanReset() => OperatingSystem.IsLinux() && Environment.UserName == "root" && File.Exists("/usr/bin/ss") && Reset(port: 1) == 0;

    /// <returns>Connections to this port that were reset.</returns>
    private static int Reset(int port)
    {
        using var ss = Process.Start(new ProcessStartInfo("ss", ["-K", "-t", "-H", "state", "established", "sport", "=", $":{port}"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var lines = ss.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        ss.WaitForExit();
        return lines.Length;
    }
}
