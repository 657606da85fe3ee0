using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

[Collection(TorchTests.Name)]
public sealed class ApplyTests
{
    private static readonly Gen<ScheduleSpec> _schedules = Gen.Long[0, 8].SelectMany(warmup => Gen.OneOfConst<ScheduleSpec>(
        new ConstantSpec { WarmupSteps = warmup },
        new StepSpec { WarmupSteps = warmup, EveryEpochs = 1, Factor = 0.5 },
        new CosineSpec { WarmupSteps = warmup }));

    [Fact]
    public void Plain_descent_subtracts_the_rate_times_the_averaged_gradient() => Gen.Long[0, 1000].Sample(seed =>
    {
        using var bench = new Bench(TestJobs.Of(TestJobs.Noisy));
        var average = bench.RandomAverage(seed);
        var (parameters, gradient) = (bench.Parameters, average.Floats[..bench.Parameters.Length].ToArray());

        var applied = bench.Apply.Step(bench.Rounds.At(0), average);

        Assert.Equal(0.1, applied.LearningRate);
        Assert.Equal(Math.Sqrt(gradient.Sum(g => (double)g * g)), applied.GradientNorm, 1e-9 * applied.GradientNorm);
        var expected = parameters.Zip(gradient, (p, g) => p - (0.1 * g));
        Assert.Equal(expected, bench.Parameters.Select(p => (double)p), (x, y) => Math.Abs(x - y) < 1e-6);
    }, iter: 20, threads: 1);

    [Fact]
    public void The_rate_follows_the_schedule() => Gen.Select(_schedules, Gen.Long[0, 7]).Sample((schedule, number) =>
    {
        using var bench = new Bench(TestJobs.Of(new MlpSpec { Hidden = [2] }) with { Schedule = schedule });
        var round = bench.Rounds.At(number);
        if (round.Kind == RoundKind.Evaluate) return;
        var average = bench.RandomAverage(number);
        var (before, gradient) = (bench.Parameters[^1], average.Floats[bench.Parameters.Length - 1]);

        var applied = bench.Apply.Step(round, average);

        Assert.Equal(LearningRate.At(schedule, 0.1, round.Step, 6, 3), applied.LearningRate);
        Assert.Equal(before - (applied.LearningRate * gradient), bench.Parameters[^1], 1e-6);
    }, iter: 50, threads: 1);

    [Fact]
    public void A_gradient_above_the_clip_norm_is_scaled_down_to_it() => Gen.Select(
        Gen.Long[0, 1000], Gen.Double[0.01, 100]).Sample((seed, clip) =>
    {
        using var bench = new Bench(TestJobs.Of(new MlpSpec { Hidden = [4] }) with { ClipNorm = clip });
        var before = bench.Parameters;

        var applied = bench.Apply.Step(bench.Rounds.At(0), bench.RandomAverage(seed));

        var moved = Math.Sqrt(before.Zip(bench.Parameters, (p, q) => Math.Pow((double)p - q, 2)).Sum());
        var expected = 0.1 * Math.Min(clip, applied.GradientNorm);
        Assert.Equal(expected, moved, (1e-4 * expected) + 1e-6);
    }, iter: 30, threads: 1);

    [Fact]
    public void Buffers_move_by_the_mean_change_and_integers_are_rounded()
    {
        using var bench = new Bench(TestJobs.Of(TestJobs.Noisy));
        var average = bench.RandomAverage(3);
        average.Floats[^1] = 1.2f;
        float[] before = [.. bench.Model.Buffers.data<float>()];

        bench.Apply.Step(bench.Rounds.At(0), average);

        float[] after = [.. bench.Model.Buffers.data<float>()];
        Assert.Equal(before.Zip(average.Floats[bench.Parameters.Length..].ToArray(), (b, c) => b + c).SkipLast(1), after[..^1]);
        Assert.Equal(1, after[^1]);
    }

    [Fact]
    public void Replicas_that_apply_the_same_averages_have_equal_digests() => Gen.Select(
        Gen.Long[0, 1000], Gen.Int[1, 5]).Sample((seed, steps) =>
    {
        var job = TestJobs.Of(TestJobs.Noisy) with { Seed = seed, Optimizer = new AdamWSpec(), ClipNorm = 1 };
        using var leader = new LocalTraining(job);
        using var follower = new LocalTraining(job);
        // A replica that evaluates, or computes other micro-batches, in between stays the same replica.
        follower.Run(3);
        var digests = new HashSet<StateDigest> { leader.Replica.Digest() };
        for (var step = 0; step < steps; step++)
        {
            var round = leader.Replica.Rounds.At(step) with { Kind = RoundKind.Train, MicroBatches = 4 };
            var average = leader.Average(round);
            // The update rule overwrites an average that is not shared.
            average.Hold();
            leader.Replica.Apply.Step(round, average);
            average.Release();
            follower.Replica.Apply.Step(round, average);
            average.Release();
            Assert.Equal(leader.Replica.Digest(), follower.Replica.Digest());
            digests.Add(leader.Replica.Digest());
        }
        Assert.Equal(steps + 1, digests.Count);
    }, iter: 10, threads: 1);

    [Fact]
    public void The_update_is_the_same_in_any_memory_and_leaves_a_shared_average_unchanged() => Gen.Select(
        Gen.Long[0, 1000], Gen.Bool).Sample((seed, isShared) =>
    {
        var job = TestJobs.Of(TestJobs.Noisy) with { Seed = seed, Optimizer = new AdamWSpec(), ClipNorm = 0.1 };
        using var plain = new LocalTraining(job);
        using var direct = new LocalTraining(job);
        var round = plain.Replica.Rounds.At(0);
        var average = direct.Average(round);
        using var pool = new VectorPool(average.Layout);
        var elsewhere = pool.Rent();
        average.GetSpan().CopyTo(elsewhere.GetSpan());
        if (isShared) average.Hold();

        var expected = plain.Replica.Apply.Step(round, elsewhere);
        var applied = direct.Replica.Apply.Step(round, average);

        Assert.Equal(expected, applied);
        Assert.Equal(plain.Replica.Digest(), direct.Replica.Digest());
        if (isShared)
        {
            Assert.True(average.GetSpan().SequenceEqual(elsewhere.GetSpan()));
            average.Release();
        }
        average.Release();
        elsewhere.Release();
    }, iter: 20, threads: 1);

    /// <summary>An update rule and its model in the initial state.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly IVectorOptimizer _optimizer;
        private readonly VectorPool _pool;

        public Bench(Job job)
        {
            Model = new(JobModels.CreateModel(job, TestJobs.Data.Train.Format), CPU);
            _optimizer = JobModels.CreateOptimizer(job, Model.Parameters);
            Rounds = job.ToShape().RoundsOf(TestJobs.Data.Train.Count, TestJobs.Data.Test.Count);
            Apply = new(Model, _optimizer, job, Rounds);
            _pool = new(new((int)(Model.Parameters.numel() + Model.Buffers.numel()), 3));
        }

        public FlatModel Model { get; }

        public Rounds Rounds { get; }

        public Apply Apply { get; }

        public float[] Parameters => [.. Model.Parameters.data<float>()];

        /// <summary>Random numbers in -1..1.</summary>
        public VectorBuffer RandomAverage(long seed)
        {
            var average = _pool.Rent();
            var random = new Random((int)seed);
            foreach (ref var value in average.Floats) value = (random.NextSingle() * 2) - 1;
            return average;
        }

        public void Dispose()
        {
            Apply.Dispose();
            _optimizer.Dispose();
            Model.Dispose();
            _pool.Dispose();
        }
    }
}
