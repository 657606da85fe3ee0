using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunStateTests : IDisposable
{
    private const int MaxBytes = 1 << 20;
    private const string LongReason =
        "was lost, and what follows is as long as reasons are when links break between machines with long names";

    private static readonly RunState _state = new()
    {
        Version = MessageCodec.Version,
        JobName = "job",
        Host = "127.0.0.1",
        Port = 1,
        LinkPort = 2,
        MetricsPort = 3,
        Token = [1, 2, 3],
        IsOpen = true,
        MinWorkers = 1,
    };

    private readonly TemporaryFolder _folder = new();

    private string Path => _folder["coordinator.json"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_file_stays_small_after_many_generations_and_counts_them()
    {
        var cluster = new ClusterProtocol { Job = new(1, 1, 1), StartWith = 1, MinWorkers = 1, Topology = Topology.Mesh, IsOpen = true };
        for (var number = 1; number <= 6000; number++)
        {
            var start = new GenerationStart(number, GenerationCause.Lost, new string('\n', 5000));
            cluster = cluster with { Generation = number, Generations = [.. cluster.Generations.TakeLast(99), start] };
        }
        _state.With(cluster).Save(Path);
        Assert.InRange(new FileInfo(Path).Length, 1, MaxBytes);
        var loaded = RunState.Load(Path);
        Assert.Equal((6000, ClusterProtocol.KeptGenerations, RunState.CurrentFormat),
            (loaded.Generation, loaded.Generations.Count, loaded.Format));
        Assert.Equal(6000, loaded.Generations[^1].Number);
        Assert.Equal(RunState.MaxReason, loaded.Generations[^1].Reason.Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_next_coordinator_continues_with_the_written_generation_plan_and_workers(bool isOpen)
    {
        var job = new JobShape(Epochs: 2, Batch: 4, MicroBatches: 2);
        var facts = new WorkerFacts("data", 7, 5, new(10, 3), 8, "initial", "127.0.0.1", 1);
        var cluster = new ClusterProtocol
        {
            Job = job,
            StartWith = 1,
            MinWorkers = 1,
            Topology = Topology.Mesh,
            Facts = facts,
            Generation = 7,
            PlanGeneration = 6,
            Generations = [new(7, GenerationCause.Lost, "b was lost")],
            StepsRedone = 3,
            Plan = new(6, 1, 6, ["a", "b"], Topology.Mesh),
        };
        (_state with { IsOpen = isOpen }).With(cluster).Save(Path);
        var next = RunState.Load(Path).ToCluster(job, Topology.Mesh, startWith: 5, isOpen: true, reached: 4, state: new(2, new(7, 7)));
        Assert.Equal((7, 6, 3, 4, 5, 1, true),
            (next.Generation, next.PlanGeneration, next.StepsRedone, next.Reached, next.StartWith, next.MinWorkers, next.IsOpen));
        Assert.Equal((facts, job.RoundsOf(facts), new(2, new(7, 7)), null), (next.Facts, next.Rounds, next.Stored, next.Plan));
        // Local workers end with their coordinator.
        Assert.Equal(isOpen ? ["a", "b"] : [], next.Returning.Order());
        Assert.Equal(cluster.Generations, next.Generations);
    }

    [Fact]
    public void A_file_of_the_former_format_with_every_generation_is_read()
    {
        var generations = string.Join(",\n", Enumerable.Range(1, 5700).Select(number => $$"""
                {
                  "number": {{number}},
                  "cause": "lost",
                  "reason": "worker-{{number % 7}} {{LongReason}}"
                }
            """));
        File.WriteAllText(Path, $$"""
            {
              "version": 7,
              "job_name": "digits",
              "host": "127.0.0.1",
              "bind": null,
              "port": 4053,
              "link_port": 4054,
              "metrics_port": 4055,
              "token": "AQIDBAUGBwgJCgsMDQ4PEA==",
              "is_open": true,
              "min_workers": 2,
              "is_initial_strict": true,
              "started_at": "2026-02-03T04:05:06+00:00",
              "generation": 5700,
              "generations": [
            {{generations}}
              ],
              "steps_redone": 12,
              "workers": [ "worker-1", "worker-2" ],
              "facts": {
                "data_fingerprint": "abc",
                "train_samples": 1438,
                "test_samples": 359,
                "layout": { "floats": 1000, "tallies": 4 },
                "state_bytes": 5000,
                "initial_digest": "0123",
                "link_host": "127.0.0.1",
                "link_port": 4711
              }
            }
            """);
        Assert.InRange(new FileInfo(Path).Length, MaxBytes, int.MaxValue);
        var loaded = RunState.Load(Path);
        Assert.Equal((5700, 12, 1438, 1000),
            (loaded.Generation, loaded.StepsRedone, loaded.Facts!.TrainSamples, loaded.Facts.Layout.Floats));
        // Workers of another protocol version cannot return.
        Assert.Equal(MessageCodec.Version == 7 ? ["worker-1", "worker-2"] : [], loaded.Workers);
        Assert.Equal(MessageCodec.Version, loaded.Version);
        loaded.Save(Path);
        Assert.InRange(new FileInfo(Path).Length, 1, MaxBytes);
    }

    [Theory]
    [InlineData("\"version\": ", "\"version\": 1", "was written by version 1")]
    [InlineData("\"format\": 2", "\"format\": 9", "is of format 9; this program reads formats 1 to 2")]
    [InlineData("\"port\": 1", "\"port\": \"x\"", "cannot be read")]
    public void A_malformed_file_is_refused_with_a_message(string right, string wrong, string complaint)
    {
        _state.Save(Path);
        File.WriteAllText(Path, File.ReadAllText(Path).Replace(right, wrong, StringComparison.Ordinal));
        Assert.Contains(complaint, Assert.Throws<RunFolderException>(() => RunState.Load(Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_of_zeros_and_a_missing_file_are_refused_with_a_message()
    {
        Assert.Contains("does not exist", Assert.Throws<RunFolderException>(() => RunState.Load(Path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(Path, new byte[4096]);
        Assert.Contains("cannot be read", Assert.Throws<RunFolderException>(() => RunState.Load(Path)).Message, StringComparison.Ordinal);
    }
}
