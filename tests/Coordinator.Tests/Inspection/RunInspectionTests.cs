using Distributed.Coordinator.Commands;
using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Inspection;

public sealed class RunInspectionTests
{
    [Fact]
    public void A_run_with_zeros_in_its_records_is_shown_up_to_them()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["job.yaml"], JobFile.Format(Job.Default));
        File.WriteAllText(folder["history.csv"],
            $"{HistoryRow.Header}\n1,1,0.5,0.1,1,100\n{new string('\0', 4096)}\n3,1,0.5,0.1,1,100\n4,1,0.");
        File.WriteAllText(folder["evaluations.csv"], $"{EpochResult.Header(Metric.Accuracy)}\n1,23,0.5,0.75\n2,46,x,0.75\n");
        var found = RunInspection.Read(folder.Path);
        Assert.Equal((1, 1, "unfinished"), (found.LastStep!.Step, found.LastEvaluation!.Epoch, found.State));
        Assert.Equal(
        [
            $"'{folder["history.csv"]}' is damaged: line 3 cannot be read; a resume drops it and the 1 line(s) behind it",
            $"'{folder["evaluations.csv"]}' is damaged: line 3 cannot be read; a resume drops it and the 0 line(s) behind it",
        ], found.Damage);
    }
}
