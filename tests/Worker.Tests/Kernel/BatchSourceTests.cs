using Distributed.Core.Planning;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

[Collection(TorchTests.Name)]
public sealed class BatchSourceTests
{
    private static readonly Rounds _rounds = new(TrainSamples: 60, TestSamples: 20, Epochs: 3, Batch: 25, MicroBatches: 4);

    private static readonly Gen<(Round Round, int MicroBatch)> _microBatches =
        from number in Gen.Long[0, _rounds.Count - 1]
        let round = _rounds.At(number)
        from microBatch in Gen.Int[0, round.MicroBatches - 1]
        select (round, microBatch);

    [Fact]
    public void Gives_the_samples_asked_for_after_any_prefetch_and_frees_all() =>
        Gen.Select(_microBatches, _microBatches.Nullable(), Gen.Bool).Array[1, 12].Sample(asked =>
        {
            var task = new NumberedSamples(BatchSource.MinValuesAhead);
            using (var source = new BatchSource(task, 7, CPU))
            {
                (Round Round, int MicroBatch)? promised = null;
                foreach (var (other, next, keepsPromise) in asked)
                {
                    var (round, microBatch) = keepsPromise && promised is { } promise ? promise : other;
                    using var batch = source.Get(round, microBatch, next);
                    promised = next;
                    Assert.Equal(Expected(round, microBatch), batch.Targets.data<float>().ToArray());
                    Assert.InRange(task.Live, 1, 2);
                }
            }
            Assert.Equal(0, task.Live);
        }, iter: 200, threads: 1);

    [Fact]
    public void Another_thread_fetches_the_next_micro_batch_while_this_one_is_used()
    {
        var task = new NumberedSamples(BatchSource.MinValuesAhead);
        using var source = new BatchSource(task, 7, CPU);
        source.Get(_rounds.At(0), 0, (_rounds.At(0), 1)).Dispose();

        Assert.Equal(Environment.CurrentManagedThreadId, task.Fetched.TakeSoon());
        Assert.NotEqual(Environment.CurrentManagedThreadId, task.Fetched.TakeSoon());
        source.Get(_rounds.At(0), 1, null).Dispose();

        Assert.Empty(task.Fetched);
        Assert.Equal(0, task.Live);
    }

    [Fact]
    public void A_small_micro_batch_is_fetched_on_demand()
    {
        var task = new NumberedSamples(width: 1);
        using var source = new BatchSource(task, 7, CPU);
        for (var microBatch = 0; microBatch < 4; microBatch++)
            source.Get(_rounds.At(0), microBatch, (_rounds.At(0), (microBatch + 1) % 4)).Dispose();

        Assert.Equal(Enumerable.Repeat(Environment.CurrentManagedThreadId, 4), task.Fetched);
    }

    [Fact]
    public void A_failed_prefetch_fails_only_the_call_that_asks_for_its_micro_batch()
    {
        var refused = Permutation.Of(60, 7, 0)[_rounds.At(0).MicroBatch(1).First];
        var task = new NumberedSamples(BatchSource.MinValuesAhead) { Refused = refused };
        using var source = new BatchSource(task, 7, CPU);
        source.Get(_rounds.At(0), 0, (_rounds.At(0), 1)).Dispose();
        source.Get(_rounds.At(0), 2, (_rounds.At(0), 1)).Dispose();

        Assert.Equal("refused", Assert.Throws<InvalidOperationException>(() => source.Get(_rounds.At(0), 1, null)).Message);
        Assert.Equal(0, task.Live);
    }

    private static float[] Expected(Round round, int microBatch)
    {
        var (first, count) = round.MicroBatch(microBatch);
        var order = round.Kind == RoundKind.Train ? Permutation.Of(60, 7, round.Epoch) : [.. Enumerable.Range(0, 20)];
        return [.. order.Skip(first).Take(count).Select(sample => NumberedSamples.TargetOf(round.Kind, round.Epoch, sample))];
    }
}
