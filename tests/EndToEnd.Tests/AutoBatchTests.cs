using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>A batch as large as the memory allows. The run's job has its size, so that training it again gives the same bits.</summary>
public sealed partial class AutoBatchTests : IDisposable
{
    private const int Train = 1438, MicroBatches = 8;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_batch_that_two_workers_have_memory_for_is_recorded_and_gives_one_worker_the_same_bits()
    {
        // Some 0.3 MB a sample; more than 180 samples at a time would be useless.
        var fraction = 2 * 40e6 / GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        using var first = TrainingRun.Start(
            Job.Default with { Auto = AutoSize.Batch, Batch = null, Epochs = 1, Model = new CnnSpec { Channels = [256, 256] } },
            "--workers", "2", "--memory-fraction", fraction.ToString(CultureInfo.InvariantCulture));
        await first.Coordinator.EndsWithAsync(0);

        var job = JobFile.Load(first["job.yaml"]);
        Assert.Equal((AutoSize.None, MicroBatches), (job.Auto, job.MicroBatches));
        Assert.InRange(job.Batch!.Value, MicroBatches, Train - 1);
        var answers = first.Coordinator.Output.Where(line => line.Contains("has memory for", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, answers.Count);
        Assert.Contains(answers, line => line.Contains($"for {job.Batch / MicroBatches} samples at a time", StringComparison.Ordinal));
        File.Copy(first["job.yaml"], _folder["again.yaml"]);

        using var again = TrainingRun.Start(_folder["again.yaml"], "--workers", "1");
        await again.Coordinator.EndsWithAsync(0);
        Assert.DoesNotContain(again.Coordinator.Output, line => line.Contains("has memory for", StringComparison.Ordinal));
        Assert.Equal(first.Model, again.Model);
    }

    [Fact]
    public async Task A_given_batch_is_cut_into_as_few_micro_batches_as_fit_and_waiting_processes_answer_probes()
    {
        using var run = TrainingRun.Start(
            Job.Default with { Auto = AutoSize.MicroBatches, Epochs = 1 }, "--workers", "0", "--min-workers", "3");
        var metrics = (await run.Coordinator.LineAsync(Metrics())).Groups[1].Value;
        var coordinator = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
        await AnswersAsync(metrics, "probing: workers find out how large a micro-batch may be");

        using var first = StartWorker(run, coordinator, "first");
        await run.Coordinator.LineAsync(Answer());
        await AnswersAsync(metrics, "probing: workers find out how large a micro-batch may be");
        await AnswersAsync((await first.LineAsync(Metrics())).Groups[1].Value,
            "waiting for the other workers to find out how large a micro-batch may be");

        using var second = StartWorker(run, coordinator, "second");
        using var third = StartWorker(run, coordinator, "third");
        await run.Coordinator.EndsWithAsync(0);
        foreach (var worker in (ProgramRun[])[first, second, third]) await worker.EndsWithAsync(0);
        var job = JobFile.Load(run["job.yaml"]);
        Assert.Equal(((int?)64, 3), (job.Batch, job.MicroBatches));
    }

    private static ProgramRun StartWorker(TrainingRun run, string coordinator, string name) =>
        ProgramRun.Start(BuiltFiles.Worker,
            ["--coordinator", coordinator, "--device", "cpu", "--name", name, "--token-file", run.TokenFile]);

    /// <summary>The process is alive, and says why it is not ready.</summary>
    private static async Task AnswersAsync(string address, string notReady)
    {
        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        Assert.Equal("ok", await client.GetStringAsync($"{address}healthz"));
        using var answer = await client.GetAsync(new Uri($"{address}readyz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, notReady), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
    }

    [GeneratedRegex(@"^Metrics at (http://\S+/)metrics$")]
    private static partial Regex Metrics();

    [GeneratedRegex(@"--coordinator (\S+:\d+)")]
    private static partial Regex WaitingAt();

    [GeneratedRegex(@"^first has memory for ")]
    private static partial Regex Answer();
}
