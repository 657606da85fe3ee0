using Distributed.Coordinator.Runs;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Comparison;

/// <summary>Folders of finished runs: seven training samples, losses as given.</summary>
internal static class FinishedRun
{
    public const int Samples = 7;

    public static string Write(string folder, Job job, params double[] losses)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "job.yaml"), JobFile.Format(job));
        File.WriteAllLines(Path.Combine(folder, "history.csv"), [HistoryRow.Header, .. losses.Select((loss, i) => new HistoryRow
        {
            Step = i + 1,
            Epoch = 1,
            Loss = loss,
            LearningRate = 0,
            GradientNorm = 0,
            SamplesPerSecond = 1,
        }.ToLine())]);
        new RunReport
        {
            Job = "job",
            StartedAt = default,
            FinishedAt = default,
            Seconds = 1.5,
            Steps = losses.Length,
            Epochs = job.Epochs,
            StepsPerSecond = 1,
            SamplesExpected = Samples * job.Epochs,
            SamplesApplied = Samples * job.Epochs,
            TrainLoss = losses.Length > 0 ? losses[^1] : double.NaN,
            TestLoss = 0.5,
            Metric = "accuracy",
            ParametersSha256 = new('a', 64),
            Workers = 1,
            Generations = 1,
            Reconfigurations = [],
            StepsRedone = 0,
        }.Save(Path.Combine(folder, "report.json"));
        return folder;
    }
}
