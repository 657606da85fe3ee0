using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

[Collection(TorchTests.Name)]
public sealed class SliceAnnouncementTests
{
    private static readonly Gen<BlockKind> _anyKind = Gen.OneOfConst(Enum.GetValues<BlockKind>());

    private static readonly Gen<(int Width, long Seed, BlockKind[] Kinds)> _anyModel =
        Gen.Select(Gen.Int[150, 300], Gen.Long[0, 1000], _anyKind.Array[1, 5]);

    [Fact]
    public void Every_final_slice_is_announced_once_and_announcements_do_not_change_the_bits() => _anyModel.Sample(model =>
    {
        using var announcing = new BlockBench(model.Width, model.Seed, model.Kinds);
        using var silent = new BlockBench(model.Width, model.Seed, model.Kinds);
        for (var step = 0; step < 5; step++)
        {
            var contribution = announcing.Compute(step);

            Assert.Equal(silent.Compute(step, isAnnounced: false), contribution);
            AssertFinal(announcing, contribution);
        }
    }, iter: 60, threads: 1);

    [Fact]
    public void A_slice_is_announced_early_if_its_parameters_are_only_used_through_their_modules() => _anyModel.Sample(model =>
    {
        using var bench = new BlockBench(model.Width, model.Seed, model.Kinds);
        for (var step = 0; step < 2; step++)
        {
            bench.Compute(step);
            Assert.DoesNotContain(bench.Announced, announced => announced.IsEarly);
        }

        for (var step = 2; step < 4; step++)
        {
            bench.Compute(step);
            Assert.Equal(SlicesCompleteEarly(bench, model.Kinds), bench.Announced.Where(a => a.IsEarly).Select(a => a.Slice).Order());
        }
    }, iter: 60, threads: 1);

    [Fact]
    public void The_last_layers_are_announced_first()
    {
        using var bench = new BlockBench(300, 1, BlockKind.Plain, BlockKind.Plain, BlockKind.Plain, BlockKind.Plain);
        for (var step = 0; step < 3; step++) bench.Compute(step);

        var early = bench.Announced.Where(a => a.IsEarly).Select(a => a.Slice).ToArray();

        Assert.Equal(Enumerable.Range(1, bench.Map.Layout.TallySlice - 1).Reverse(), early);
    }

    [Fact]
    public void A_weight_used_before_its_module_is_called_is_announced_after_backward_and_named()
    {
        using var bench = new BlockBench(300, 1, BlockKind.Plain, BlockKind.UsesAWeightBeforeItsCall, BlockKind.Plain);
        Assert.Null(bench.Map.OverlapNote);
        for (var step = 0; step < 3; step++) bench.Compute(step);

        Assert.Contains("'block1.linear.weight'", bench.Map.OverlapNote, StringComparison.Ordinal);
        Assert.Contains(bench.Announced, a => a.IsEarly);
    }

    [Fact]
    public void A_model_that_starts_to_borrow_a_weight_after_its_announcement_fails()
    {
        using var bench = new BlockBench(300, 1, BlockKind.Plain, BlockKind.Plain, BlockKind.Plain);
        for (var step = 0; step < 4; step++) bench.Compute(step);
        bench.Module.BorrowsWeight = true;

        var stopped = Assert.Throws<InvalidOperationException>(() => bench.Compute(4));

        Assert.StartsWith(
            "The gradient of 'block2.linear.weight' changed after its slice was sent", stopped.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_order_of_calls_is_verified_again() => Gen.Shuffle(Enumerable.Range(0, 4).ToArray()).Array[1, 4].Sample(orders =>
    {
        using var bench = new BlockBench(200, 1, [.. Enumerable.Repeat(BlockKind.Plain, 4)]);
        using var silent = new BlockBench(200, 1, [.. Enumerable.Repeat(BlockKind.Plain, 4)]);
        var (step, last) = (0, Array.Empty<int>());
        foreach (var order in orders)
        {
            bench.Module.Order = silent.Module.Order = order;
            var isNew = !order.SequenceEqual(last);
            for (var pass = 0; pass < 4; pass++, step++)
            {
                var contribution = bench.Compute(step);
                Assert.Equal(silent.Compute(step, isAnnounced: false), contribution);
                AssertFinal(bench, contribution);
                if (isNew && pass < 2) Assert.DoesNotContain(bench.Announced, a => a.IsEarly);
                else if (pass == 3) Assert.Contains(bench.Announced, a => a.IsEarly);
            }
            last = order;
        }
    }, iter: 15, threads: 1);

    [Fact]
    public void An_exception_of_the_sink_ends_the_computation_but_not_the_process()
    {
        using var bench = new BlockBench(300, 1, BlockKind.Plain, BlockKind.Plain);
        for (var step = 0; step < 3; step++) bench.Compute(step);
        bench.Refusal = new TimeoutException("the link is gone");

        Assert.Same(bench.Refusal, Assert.Throws<TimeoutException>(() => bench.Compute(3)));
        bench.Refusal = null;
        AssertFinal(bench, bench.Compute(4));
    }

    [Fact]
    public void An_evaluation_announces_the_tallies_and_an_empty_micro_batch_all_slices()
    {
        using var bench = new BlockBench(200, 1, BlockKind.Norm, BlockKind.Plain);

        bench.Compute(0, kind: RoundKind.Evaluate);
        Assert.Equal([bench.Map.Layout.TallySlice], bench.Announced.Select(a => a.Slice));
        AssertFinal(bench, bench.Compute(0, samples: 1));
        Assert.All(bench.Announced, a => Assert.All(a.Bytes, value => Assert.Equal(0, value)));
    }

    [Fact]
    public void A_thousand_micro_batches_leave_no_live_tensor()
    {
        using var bench = new BlockBench(300, 1, BlockKind.Norm, BlockKind.OwnParameter, BlockKind.InPlace, BlockKind.CalledTwice);
        var count = 0;
        Action<int> ignored = _ => count++;
        for (var step = 0; step < 4; step++) bench.Run(step, ignored);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var (live, liveHere) = (Tensor.TotalCount, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        for (var step = 4; step < 1004; step++) bench.Run(step, ignored);

        Assert.Equal(live, Tensor.TotalCount);
        Assert.Equal(liveHere, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.True(count >= 1004 * bench.Map.Layout.Slices);
    }

    private static void AssertFinal(BlockBench bench, byte[] contribution)
    {
        var layout = bench.Map.Layout;
        Assert.Equal(Enumerable.Range(0, layout.Slices), bench.Announced.Select(a => a.Slice).Order());
        Assert.All(bench.Announced, a =>
        {
            var (offset, length) = layout.BytesOf(a.Slice);
            Assert.True(contribution.AsSpan(offset, length).SequenceEqual(a.Bytes), $"slice {a.Slice} changed after it was announced");
        });
    }

    private static IEnumerable<int> SlicesCompleteEarly(BlockBench bench, BlockKind[] kinds)
    {
        var parameters = bench.Parameters;
        var floats = parameters[^1].Offset + parameters[^1].Length;
        for (var slice = 0; slice < bench.Map.Layout.TallySlice; slice++)
        {
            var (first, end) = ((long)slice * VectorLayout.SliceFloats, (slice + 1L) * VectorLayout.SliceFloats);
            var hasBuffers = Math.Min(end, bench.Map.Layout.Floats) > floats;
            var inSlice = parameters.Where(p => p.Offset < end && p.Offset + p.Length > first);
            if (!hasBuffers && inSlice.All(p => IsEarly(p.Name))) yield return slice;
        }

        bool IsEarly(string name) => !name.StartsWith(BlockModel.Input, StringComparison.Ordinal)
            && kinds[name["block".Length] - '0'] switch
            {
                BlockKind.NeverCalled or BlockKind.CalledPastItsHooks => false,
                BlockKind.UsesAWeightBeforeItsCall => !name.EndsWith("weight", StringComparison.Ordinal),
                _ => true,
            };
    }
}
