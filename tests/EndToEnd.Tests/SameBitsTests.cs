using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

[Collection(Torch.Name)]
public sealed class SameBitsTests
{
    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int> { { "two micro-batches", 3 }, { "empty micro-batches", 3 }, { "one of two classes", 3 }, { "a number", 3 }, { "the whole training set a step", 3 }, { "one sample a step", 3 } };
        foreach (var kind in (string[])["augmented resnet", "large micro-batches", "random search", "local search with statistics of batches", "masks", "boxes", "made images"])
        {
            cases.Add(kind, 1);
            cases.Add(kind, 3);
        }
        for (var workers = 1; workers <= 4; workers++)
        {
            cases.Add("cnn with momentum", workers);
            cases.Add("adamw with an uneven batch", workers);
            cases.Add("adam with a stepped rate", workers);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Any_number_of_workers_trains_the_bits_of_a_plain_loop(string kind, int workers)
    {
        var job = Jobs.Kinds[kind];
        using var run = TrainingRun.Start(job, "--workers", $"{workers}");
        await run.Coordinator.EndsWithAsync(0);
        SameBits.Require(job, run);
        Assert.Equal((workers, 1), (run.Report.Workers, run.Report.GenerationsByWorkers));
        Assert.Empty(run.Coordinator.Errors);
    }
}
