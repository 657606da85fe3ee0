using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Tests.Replicas;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

[Collection(TorchTests.Name)]
public sealed class MapTests
{
    private static readonly Job _noisy = TestJobs.Of(TestJobs.Noisy);

    private static readonly int[] _microBatches = [0, 1, 2];

    /// <summary>A round of either kind and one of its micro-batches.</summary>
    private static readonly Gen<(long Round, int MicroBatch)> _work =
        from round in Gen.Long[0, 7]
        from microBatch in Gen.Int[0, 2]
        select (round, microBatch);

    [Fact]
    public void A_contribution_does_not_depend_on_earlier_work() => Gen.Select(
        Gen.Long[0, 1000], _work.Array[1, 6], _work).Sample((seed, before, last) =>
    {
        using var busy = new MapBench(_noisy with { Seed = seed });
        using var fresh = new MapBench(_noisy with { Seed = seed });
        foreach (var (round, microBatch) in before) busy.Compute(round, microBatch);
        using var elsewhere = rand(before.Length);

        var contribution = busy.Compute(last.Round, last.MicroBatch);

        Assert.Equal(fresh.Compute(last.Round, last.MicroBatch).Bits, contribution.Bits);
        Assert.True(contribution.Samples > 0);
    }, iter: 40, threads: 1);

    [Fact]
    public void Micro_batches_may_be_computed_in_any_order() => Gen.Select(
        Gen.Long[0, 7], Gen.Shuffle(_microBatches)).Sample((round, order) =>
    {
        using var bench = new MapBench(_noisy);
        var inOrder = Enumerable.Range(0, order.Length).Select(id => bench.Compute(round, id).Bits).ToArray();

        Assert.All(order, id => Assert.Equal(inOrder[id], bench.Compute(round, id).Bits));
    }, iter: 20, threads: 1);

    [Fact]
    public void The_noise_depends_on_micro_batch_step_and_job()
    {
        using var bench = new MapBench(TestJobs.Of(new MlpSpec { Hidden = [16], Dropout = 0.5 }));
        var round = bench.Rounds.At(0) with { First = 50, Samples = 50, MicroBatches = 1 };
        var asSecond = round with { First = 0, Samples = 100, MicroBatches = 2 };
        Assert.Equal(round.MicroBatch(0), asSecond.MicroBatch(1));

        var gradient = bench.Compute(round, 0).Floats;

        Assert.NotEqual(gradient, bench.Compute(asSecond, 1).Floats);
        Assert.NotEqual(gradient, bench.Compute(round with { Step = 1 }, 0).Floats);
        Assert.Equal(gradient, bench.Compute(round with { Number = 7 }, 0).Floats);
    }

    [Fact]
    public void Without_noise_a_contribution_depends_only_on_the_samples()
    {
        using var bench = new MapBench(TestJobs.Of(new CnnSpec { Channels = [4], Hidden = 8, BatchNorm = true }));
        var round = bench.Rounds.At(0) with { First = 50, Samples = 50, MicroBatches = 1 };

        var other = round with { First = 0, Samples = 100, MicroBatches = 2, Step = 1 };
        Assert.Equal(bench.Compute(round, 0).Bits, bench.Compute(other, 1).Bits);
    }

    [Fact]
    public void An_empty_micro_batch_gives_zeros()
    {
        using var bench = new MapBench(_noisy);
        var round = bench.Rounds.At(0) with { Samples = 3, MicroBatches = 4 };
        Assert.Equal(0, round.MicroBatch(0).Count);

        var contribution = bench.Compute(round, 0);

        Assert.All(contribution.Floats, value => Assert.Equal(0, value));
        Assert.All(contribution.Tallies, value => Assert.Equal(0, value));
    }

    [Fact]
    public void An_evaluation_changes_neither_parameters_nor_buffers_nor_the_float_vector()
    {
        using var bench = new MapBench(_noisy);
        bench.Compute(0, 0);
        var (parameters, buffers) = (Bytes(bench.Model.Parameters), Bytes(bench.Model.Buffers));
        var evaluation = Enumerable.Range(0, 8).Select(number => bench.Rounds.At(number)).First(round => round.Kind == RoundKind.Evaluate);

        var contribution = bench.Compute(evaluation, 0);

        Assert.Equal(119, contribution.Samples);
        Assert.All(contribution.Floats, value => Assert.Equal(MapBench.Garbage, value));
        Assert.Equal(parameters, Bytes(bench.Model.Parameters));
        Assert.Equal(buffers, Bytes(bench.Model.Buffers));
    }

    [Fact]
    public void The_sum_over_micro_batches_is_the_gradient_of_the_whole_batch() => Gen.Select(
        Gen.OneOfConst<ModelSpec>(
            new MlpSpec { Hidden = [16] }, new MlpSpec { Hidden = [8, 8], Activation = "sigmoid" },
            new CnnSpec { Channels = [3], Hidden = 8 }),
        Gen.Long[0, 1000], Gen.Int[1, 100], Gen.Int[1, 130]).Sample((model, seed, samples, microBatches) =>
    {
        using var bench = new MapBench(TestJobs.Of(model) with { Seed = seed });
        var round = bench.Rounds.At(0) with { Samples = samples, MicroBatches = microBatches };

        var (sum, whole) = (bench.Sum(round), bench.Compute(round with { MicroBatches = 1 }, 0));

        Assert.Equal(samples, sum.Samples);
        Assert.Equal(whole.Correct, sum.Correct);
        Assert.Equal(whole.Loss, sum.Loss, 1e-5 * whole.Loss);
        Assert.Equal(whole.Floats, sum.Floats, (x, y) => Math.Abs(x - y) <= 1e-6 * (samples + Math.Abs(x)));
    }, iter: 30, threads: 1);

    [Fact]
    public void A_contribution_holds_the_gradient_then_the_change_of_the_buffers_times_the_samples()
    {
        using var bench = new MapBench(_noisy);

        var contribution = bench.Compute(0, 1);

        Assert.Equal(bench.Map.Layout.Floats, bench.Parameters + bench.Model.Buffers.numel());
        var gradients = bench.Model.Module.parameters().SelectMany(p => p.grad!.data<float>().ToArray());
        Assert.Equal(gradients, contribution.Floats[..bench.Parameters]);
        // The last buffer counts batches: one more, times the samples.
        Assert.Equal(contribution.Samples, contribution.Floats[^1]);
        Assert.Equal(120, contribution.Samples);
    }

    [Fact]
    public void Rounds_leave_no_live_tensor()
    {
        using var training = new LocalTraining(_noisy with { ClipNorm = 1, Optimizer = new AdamSpec() });
        Cycle();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var (live, liveHere) = (Tensor.TotalCount, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        for (var cycle = 0; cycle < 13; cycle++) Cycle();

        Assert.Equal(live, Tensor.TotalCount);
        Assert.Equal(liveHere, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Cycle() => training.Run(0, 4);
    }

    private static byte[] Bytes(Tensor tensor) => MemoryMarshal.AsBytes(tensor.data<float>().ToArray().AsSpan()).ToArray();
}
