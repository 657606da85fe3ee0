using System.Net;
using System.Runtime.CompilerServices;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests;
using Distributed.Tests.Fuzzing;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;
using Prometheus;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>
/// Any frames of a worker are taken, or belong to the past, or close its link and are counted; they have no other effect.
/// </summary>
public sealed class StarFuzzTests
{
    private const string Worker = "a";

    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly VectorLayout _layout = new(10, 3);

    [Fact]
    public async Task Any_frames_of_a_worker_are_taken_or_refused_and_counted()
    {
        var registry = Metrics.NewCustomRegistry();
        string? closed = null;
        using var star = new CoordinatorLinks(
            new(IPAddress.Loopback, 0), StarBench.Job, new(IsBfloat16: false), (_, reason) => closed = reason,
            new TrainingMetrics(registry).Links, new LogLines());
        star.Open(new("data", _rounds.TrainSamples, _rounds.TestSamples, _layout, 8, "initial", "127.0.0.1", 4711), _rounds);
        var links = LinksOf(star);
        links.BeginHelp();
        var generation = 0;
        var states = 0;
        var pipe = new ScriptedPipe();
        var violations = 0;
        byte[][] valid =
        [
            [.. Frame(FrameKind.Contribution, 0, new(0, 2), 40), .. Frame(FrameKind.Contribution, 1, new(0, 2), 24)],
            [
                .. Frame(FrameKind.Contribution, 1, new(0, 2), 24),
                .. Frame(FrameKind.State, 0, new(1, 8), 8),
                .. Frame(FrameKind.Contribution, 0, new(0, 2), 40),
            ],
            [.. Frame(FrameKind.Checkpoint, 0, new(1, 8), 8)],
        ];
        var fuzzer = Fuzzer.Run(60_000, valid, bytes =>
        {
            generation++;
            var isNew = star.LinkOf(Worker) is null;
            star.Admit(Worker);
            star.Begin(new(generation, 0, _rounds.Count, [Worker], Topology.Star));
            star.ExpectState(Worker, generation, (_, _) => states++);
            star.ExpectCheckpoints(Worker, generation, (_, _) => states++);
            lock (links.Gate)
            {
                if (isNew) links.Open(star.LinkOf(Worker)!, pipe = new());
                closed = null;
                var refused = Put(pipe, bytes, generation - 1);
                while (links.Move())
                {
                    // The loop ends when no frame is left.
                }
                if (closed is not null) violations++;
                return closed ?? refused;
            }
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 10, 1_000);
        Assert.InRange(states, 6, int.MaxValue);
        Assert.Equal(violations, await registry.ValueAsync($"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Violation}\"}}"));
        var stale = await registry.ValueAsync($"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Stale}\"}}") ?? 0;
        Assert.InRange(stale, 1, double.MaxValue);
        links.EndHelp(isBusy: false);
    }

    /// <summary>Puts bytes into the pipe; bytes that the pipe itself refuses never reach the server.</summary>
    private static string? Put(ScriptedPipe pipe, byte[] bytes, int generations)
    {
        try
        {
            pipe.Put(bytes, generations);
            return null;
        }
        catch (LinkException refused)
        {
            return refused.Message;
        }
    }

    private static byte[] Frame(FrameKind kind, int slice, TreeNode node, int length)
    {
        var frame = new byte[FrameHeader.Size + length];
        new FrameHeader(kind, StarBench.Job, 1, 0, slice, node, length).Write(frame, frame.AsSpan(FrameHeader.Size));
        return frame;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_links")]
    private static extern ref TensorLinks LinksOf(CoordinatorLinks star);
}
