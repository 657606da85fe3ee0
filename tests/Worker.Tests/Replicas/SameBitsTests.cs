using Distributed.EndToEnd.Tests;
using Distributed.Worker.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>
/// Every kind of job on several replicas with links between them. The end-to-end tests do the same with processes, for some kinds.
/// </summary>
[Collection(TorchTests.Name)]
public sealed class SameBitsTests
{
    private const int Most = 4;

    /// <summary>Every kind with two, three or four replicas; thorough runs use each of these numbers for every kind.</summary>
    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (var (i, kind) in SmallJobs.Kinds.Keys.Index())
            for (var replicas = 2; replicas <= Most; replicas++)
                if (Effort.IsThorough || replicas == 2 + (i % (Most - 1))) cases.Add(kind, replicas);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Any_number_of_replicas_trains_the_bits_of_a_plain_loop(string kind, int replicas)
    {
        var job = SmallJobs.Kinds[kind];
        var data = DataSets.Load(job, new());
        using var alone = new LocalTraining(job, data);
        var rounds = alone.Replica.Rounds;
        var mappings = Enumerable.Range(0, replicas).Select(_ => new TrainedMapping(job, data)).ToList();
        try
        {
            using var cluster = new MeshCluster(new(rounds, alone.Replica.Map.Layout), seed: replicas, number => mappings[number]);
            cluster.Join(replicas);
            cluster.Begin();
            cluster.Finish();
            cluster.AssertNothingIsHeld();
        }
        finally
        {
            foreach (var mapping in mappings) mapping.Dispose();
        }
        for (var round = 0; round < rounds.Count; round++)
        {
            var tallies = alone.Run(round);
            Assert.All(mappings, mapping => Assert.Equal(tallies, mapping.Applied[round].Tallies));
            Assert.All(mappings, mapping => Assert.Equal(alone.Replica.Digest(), mapping.Applied[round].Digest));
        }
    }
}
