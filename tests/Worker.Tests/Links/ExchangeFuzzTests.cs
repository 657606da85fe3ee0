using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Tests.Fuzzing;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Prometheus;

namespace Distributed.Worker.Tests.Links;

/// <summary>Whatever frames a peer or the coordinator sends: they are taken, wait, belong to the past, or close the link and are counted.</summary>
public sealed class ExchangeFuzzTests
{
    private const ulong Job = 0xC0FFEE;

    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly VectorLayout _layout = new(10, 3);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Any_frames_are_taken_or_refused_and_counted(bool isPeer)
    {
        var registry = Metrics.NewCustomRegistry();
        var heard = new Heard();
        using var pool = new VectorPool(_layout);
        using var exchange = new WorkerLinks(
            new(new(Job, new byte[16], "b"), _rounds, pool, 8, new(false), new(), new WorkerMetrics(registry, "cpu").Links) { InitialBytes = 16 }, heard.Receive);
        var links = LinksOf(exchange);
        links.BeginHelp();
        var generation = 0;
        var violations = 0;
        // Of two workers this one comes second: it owns the second slice, and the first micro-batch is the other's.
        byte[][] valid = isPeer
            ? [[.. Frame(FrameKind.Contribution, 1, new(0, 1), 24), .. Frame(FrameKind.Average, 0, default, 40)], [.. Frame(FrameKind.Average, 0, default, 40)]]
            : [[.. Frame(FrameKind.State, 0, new(1, 8), 8), .. Frame(FrameKind.State, 0, new(1, 8), 8)], [.. Frame(FrameKind.State, 0, new(1, 8), 8)]];
        var fuzzer = Fuzzer.Run(50_000, valid, bytes =>
        {
            generation++;
            var pipe = new ScriptedPipe();
            // A link of the input's own.
            if (isPeer) exchange.Accept("a", pipe);
            else exchange.Connect(pipe);
            exchange.Begin(new(generation, 0, _rounds.Count, ["a", "b"], Topology.Mesh), _endpoints);
            exchange.Enter(0);
            heard.Closed = null;
            var refused = Put(pipe, bytes, generation - 1);
            lock (links.Gate)
            {
                while (links.Move())
                {
                    // Until nothing is left, or what is left is not due.
                }
            }
            if (heard.Closed is not null) violations++;
            return heard.Closed ?? refused;
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 8, 1_000);
        using var page = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(page);
        Assert.Contains($"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Violation}\"}} {violations}\n", Encoding.UTF8.GetString(page.ToArray()), StringComparison.Ordinal);
        links.EndHelp(isBusy: false);
    }

    private static readonly ImmutableArray<LinkEndpoint> _endpoints = [new("127.0.0.1", 1), new("127.0.0.1", 2)];

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
        new FrameHeader(kind, Job, 1, 0, slice, node, length).Write(frame, frame.AsSpan(FrameHeader.Size));
        return frame;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_links")]
    private static extern ref TensorLinks LinksOf(WorkerLinks exchange);

    /// <summary>Why a link was closed; what comes is of no interest.</summary>
    private sealed class Heard
    {
        public string? Closed { get; set; }

        public void Receive(LinkNotice notice)
        {
            if (notice is LinkNotice.StateArrived state) Assert.Equal(8, state.State.Length);
            if (notice is LinkNotice.InitialArrived initial) Assert.Equal(16, initial.File.Length);
            Closed = notice is LinkNotice.CoordinatorLost coordinator ? coordinator.Reason
                : notice is LinkNotice.PeerLost peer ? peer.Reason
                : Closed;
        }
    }
}
