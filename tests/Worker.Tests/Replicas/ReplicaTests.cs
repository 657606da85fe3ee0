using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Tests.Kernel;

namespace Distributed.Worker.Tests.Replicas;

[Collection(TorchTests.Name)]
public sealed class ReplicaTests
{
    private const string StepCount = "optimizer.step_count";

    private static readonly Job _job = TestJobs.Of(TestJobs.Noisy);

    private static readonly OptimizerSpec[] _optimizers =
    [
        new SgdSpec(),
        new SgdSpec { Momentum = 0.9 },
        new SgdSpec { Momentum = 0.9, Nesterov = true, WeightDecay = 0.01 },
        new AdamSpec(),
        new AdamWSpec(),
        new RandomSearchSpec(),
        new LocalSearchSpec(),
    ];

    public static TheoryData<string> Optimizers => [.. _optimizers.Select(o => $"{o}")];

    [Theory, MemberData(nameof(Optimizers))]
    public void A_replica_restored_in_the_middle_continues_like_an_undisturbed_one(string optimizer)
    {
        var job = _job with { Optimizer = _optimizers.Single(o => $"{o}" == optimizer), Schedule = new CosineSpec(), ClipNorm = 1 };
        using var undisturbed = new LocalTraining(job);
        using var joiner = new LocalTraining(job);
        undisturbed.Run(0, 3);

        joiner.Replica.Restore(undisturbed.Replica.Serialize());

        Assert.Equal(undisturbed.Replica.Digest(), joiner.Replica.Digest());
        Assert.Equal(undisturbed.Replica.Serialize(), joiner.Replica.Serialize());
        Assert.Equal(undisturbed.Run(3, 7), joiner.Run(3, 7));
        Assert.Equal(undisturbed.Replica.Serialize(), joiner.Replica.Serialize());
    }

    [Theory, MemberData(nameof(Optimizers))]
    public void The_length_of_a_state_depends_on_the_job_alone(string optimizer)
    {
        using var training = new LocalTraining(_job with { Optimizer = _optimizers.Single(o => $"{o}" == optimizer) });
        var length = training.Replica.Serialize().Length;

        for (var round = 0; round < 8; round++)
        {
            training.Run(round);
            Assert.Equal(length, training.Replica.Serialize().Length);
        }
    }

    [Fact]
    public void A_restored_replica_keeps_nothing_of_its_former_state()
    {
        var job = _job with { Optimizer = new AdamSpec() };
        using var fresh = new LocalTraining(job);
        using var wanderer = new LocalTraining(job);
        var initial = fresh.Replica.Serialize();
        wanderer.Run(0, 5);
        Assert.NotEqual(fresh.Replica.Digest(), wanderer.Replica.Digest());

        wanderer.Replica.Restore(initial);

        Assert.Equal(fresh.Run(0, 3), wanderer.Run(0, 3));
    }

    [Fact]
    public void The_digest_changes_with_every_bit_of_a_parameter_or_buffer()
    {
        using var training = new LocalTraining(_job);
        var state = training.Replica.Serialize();
        var digest = training.Replica.Digest();
        var tensors = Gen.OneOfConst([.. Safetensors.Read(state).Tensors.Where(t => t.Name != StepCount)]);
        Gen.Select(tensors, Gen.Int[0, int.MaxValue], Gen.Int[0, 7]).Sample((tensor, place, bit) =>
        {
            // A state may hold whole numbers of up to 24 bits.
            var index = tensor.DType == "I64" ? place % 3 : place % tensor.Data.Length;

            training.Replica.Restore(With(state, tensor.Name, data => data[index] ^= (byte)(1 << bit)));

            Assert.NotEqual(digest, training.Replica.Digest());
        }, iter: 200, threads: 1);
        training.Replica.Restore(state);
        Assert.Equal(digest, training.Replica.Digest());
    }

    [Fact]
    public void The_digest_allocates_nothing()
    {
        using var training = new LocalTraining(_job);
        var digest = training.Replica.Digest();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Assert.True(digest == training.Replica.Digest());

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        training.Run(0);
        Assert.NotEqual(digest, training.Replica.Digest());
    }

    [Fact]
    public void A_state_of_another_job_is_refused_and_changes_nothing()
    {
        using var training = new LocalTraining(_job);
        var before = training.Replica.Serialize();
        Job[] others =
        [
            TestJobs.Of(new MlpSpec()),
            TestJobs.Of(TestJobs.Noisy with { BatchNorm = false }),
            TestJobs.Of(TestJobs.Noisy with { Channels = [4, 4] }),
            TestJobs.Of(TestJobs.Noisy with { Hidden = 9 }),
            _job with { Optimizer = new SgdSpec { Momentum = 0.9 } },
            _job with { Optimizer = new AdamSpec() },
        ];
        foreach (var other in others)
        {
            using var stranger = new LocalTraining(other);
            Assert.Throws<InvalidDataException>(() => training.Replica.Restore(stranger.Replica.Serialize()));
            Assert.Throws<InvalidDataException>(() => stranger.Replica.Restore(before));
            Assert.Equal(before, training.Replica.Serialize());
        }
    }

    [Theory]
    [InlineData("model.norm1.num_batches_tracked", (1L << 24) + 1, "has 16777217 in model.norm1.num_batches_tracked; at most 16777216")]
    [InlineData("model.norm1.num_batches_tracked", long.MinValue, "has -9223372036854775808 in model.norm1.num_batches_tracked")]
    [InlineData(StepCount, -1L, "has -1 steps; allowed: 0 or more")]
    public void A_state_with_an_impossible_whole_number_is_refused(string name, long value, string because)
    {
        using var training = new LocalTraining(_job);
        var before = training.Replica.Serialize();

        var refusal = Assert.Throws<InvalidDataException>(() =>
            training.Replica.Restore(With(before, name, data => BitConverter.TryWriteBytes(data, value))));

        Assert.Contains(because, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, training.Replica.Serialize());
    }

    [Fact]
    public void Damaged_bytes_are_restored_as_they_read_or_refused_without_a_change()
    {
        using var training = new LocalTraining(_job);
        training.Run(0, 1);
        var state = training.Replica.Serialize();
        var headerEnd = (int)BitConverter.ToInt64(state) + sizeof(long);
        // Most bytes of a state are numbers, where every value is valid; only damage to the header must be detected.
        var place = Gen.OneOf(Gen.Int[0, headerEnd - 1], Gen.Int[0, state.Length - 1]);
        Gen<byte[]> damaged = Gen.OneOf(
            Gen.Byte.Array[0, 200],
            Gen.Int[0, state.Length - 1].Select(length => state[..length]),
            Gen.Byte.Array[1, 20].Select(more => (byte[])[.. state, .. more]),
            Gen.Select(place, Gen.Byte).Array[1, 4].Select(changes =>
            {
                var copy = state.ToArray();
                foreach (var (at, value) in changes) copy[at] = value;
                return copy;
            }),
            Gen.Select(place, Gen.Int[1, 50]).Select((at, length) =>
                (byte[])[.. state.AsSpan(0, at), .. state.AsSpan(Math.Min(at + length, state.Length))]));

        damaged.Sample(bytes =>
        {
            var before = training.Replica.Serialize();
            try
            {
                training.Replica.Restore(bytes);
            }
            catch (Exception refusal) when (refusal is InvalidDataException or SafetensorsException)
            {
                Assert.Equal(before, training.Replica.Serialize());
                return;
            }
            Assert.Equal(Content(bytes), Content(training.Replica.Serialize()));
        }, iter: 1000, threads: 1);

        static IEnumerable<(string, string, string)> Content(byte[] state) => Safetensors.Read(state).Tensors
            .OrderBy(t => t.Name, StringComparer.Ordinal)
            .Select(t => (t.Name, $"{t.DType}[{string.Join(",", t.Shape)}]", Convert.ToHexString(t.Data.Span)));
    }

    /// <summary>The state with one tensor changed.</summary>
    private static byte[] With(byte[] state, string name, Action<byte[]> change)
    {
        return Safetensors.ToBytes([.. Safetensors.Read(state).Tensors.Select(Changed)]);

        TensorData Changed(TensorData tensor)
        {
            if (tensor.Name != name) return tensor;
            var data = tensor.Data.ToArray();
            change(data);
            return tensor with { Data = data };
        }
    }
}
