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

/// <summary>
/// Arbitrary frames from a peer or the coordinator: the worker's links take a frame, keep it for later, drop it as stale, or close
/// the link and count it.
/// </summary>
public sealed class WorkerLinksFuzzTests
{
    private const ulong Job = 0xC0FFEE;

    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly VectorLayout _layout = new(10, 3);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_links_accept_arbitrary_frames_or_refuse_and_count_them(bool isPeer)
    {
        var registry = Metrics.NewCustomRegistry();
        var heard = new Heard();
        using var pool = new VectorPool(_layout);
        var metrics = new WorkerMetrics(registry, "cpu").Links;
        using var worker = new WorkerLinks(
            new(new(Job, new byte[16], "b"), _rounds, pool, 8, new(false), new(), metrics) { InitialBytes = 16 },
            heard.Receive);
        var links = LinksOf(worker);
        links.BeginHelp();
        var generation = 0;
        var violations = 0;
        // This worker is the second of two: it owns the second slice, and the other one owns the first micro-batch.
        var contribution = Frame(FrameKind.Contribution, 1, new(0, 1), 24);
        var average = Frame(FrameKind.Average, 0, default, 40);
        var state = Frame(FrameKind.State, 0, new(1, 8), 8);
        byte[][] valid = isPeer ? [[.. contribution, .. average], average] : [[.. state, .. state], state];
        var fuzzer = Fuzzer.Run(50_000, valid, bytes =>
        {
            generation++;
            var pipe = new ScriptedPipe();
            // Each input has a link of its own.
            if (isPeer) worker.Accept("a", pipe);
            else worker.Connect(pipe);
            worker.Begin(new(generation, 0, _rounds.Count, ["a", "b"], Topology.Mesh), _endpoints);
            worker.Enter(0);
            heard.Closed = null;
            var refused = Put(pipe, bytes, generation - 1);
            lock (links.Gate)
            {
                while (links.Move())
                {
                    // Until no frame is left, or the rest is not due yet.
                }
            }
            if (heard.Closed is not null) violations++;
            return heard.Closed ?? refused;
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 8, 1_000);
        using var page = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(page);
        Assert.Contains(
            $"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Violation}\"}} {violations}\n",
            Encoding.UTF8.GetString(page.ToArray()),
            StringComparison.Ordinal);
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
    private static extern ref TensorLinks LinksOf(WorkerLinks worker);

    /// <summary>Keeps the reason why a link was closed, and ignores the content of what arrives.</summary>
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
