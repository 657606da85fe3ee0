using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Data;
using Distributed.Worker.Tests.Oracle;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>Contributions of the digits against the network written by hand.</summary>
[Collection(TorchTests.Name)]
public sealed class MapOracleTests
{
    /// <summary>A margin below which float32 may differ in the sign of a rectified unit or in the predicted class.</summary>
    private const double Close = 1e-4;

    private static readonly Gen<(Job Job, long Round, int MicroBatch)> _cases =
        from activation in Gen.OneOfConst(Activation.Sigmoid, Activation.ReLU)
        from hidden in Gen.Int[1, 24].Array[1, 3]
        from seed in Gen.Long[0, 1_000_000]
        from batch in Gen.Int[1, 120]
        from microBatches in Gen.Int[1, Math.Min(batch, 12)]
        let model = new MlpSpec { Hidden = [.. hidden], Activation = activation.Name }
        let job = TestJobs.Of(model) with { Seed = seed, Batch = batch, MicroBatches = microBatches }
        let rounds = new Rounds(TestJobs.Data.Train.Count, TestJobs.Data.Test.Count, job.Epochs, batch, microBatches)
        from round in Gen.OneOf(Gen.Long[0, rounds.Count - 1], Gen.Const(rounds.StepsPerEpoch).Select(number => (long)number))
        from microBatch in Gen.Int[0, rounds.At(round).MicroBatches - 1]
        select (job, round, microBatch);

    [Fact]
    public void A_contribution_equals_that_of_the_network_written_by_hand() => _cases.Sample((job, number, microBatch) =>
    {
        using var bench = new MapBench(job);
        var round = bench.Rounds.At(number);
        var (network, activation) = Oracle(bench.Model, (MlpSpec)job.Model);
        var (samples, labels) = Samples(job, round, microBatch);
        var logits = Array.ConvertAll(samples, sample => network.WeightedInputs(sample)[^1]);
        if (activation == Activation.ReLU && samples.Any(HasCloseUnit)) return;

        var contribution = bench.Compute(round, microBatch);

        Assert.Equal(samples.Length, contribution.Samples);
        Assert.Equal(network.Loss(samples, labels), contribution.Loss, Tolerance(samples.Length, contribution.Loss));
        double[] margins = [.. logits.Zip(labels, Margin)];
        Assert.InRange(contribution.Correct, margins.Count(margin => margin > Close), margins.Count(margin => margin > -Close));
        if (round.Kind == RoundKind.Evaluate) return;
        var gradients = network.Backpropagate(samples, labels);
        for (var layer = 1; layer <= network.Layers; layer++)
        {
            AssertNear(gradients.Weights[layer - 1].Cast<double>(), Part($"fc{layer}.weight"));
            AssertNear(gradients.Biases[layer - 1], Part($"fc{layer}.bias"));
        }

        bool HasCloseUnit(double[] sample) =>
            network.WeightedInputs(sample).SkipLast(1).Any(z => z.Any(v => Math.Abs(v) < Close / 10));

        ReadOnlySpan<float> Part(string name)
        {
            var layout = bench.Model.Layout.Single(l => l.Name == name);
            return contribution.Floats.AsSpan((int)layout.Offset, (int)layout.Length);
        }

        void AssertNear(IEnumerable<double> expected, ReadOnlySpan<float> actual) =>
            Assert.Equal(
                expected, actual.ToArray().Select(value => (double)value), (x, y) => Math.Abs(x - y) <= Tolerance(samples.Length, x));
    }, iter: 150, threads: 1);

    /// <summary>Float32 has 24 bits, and an element is a sum over the samples of terms of order 1.</summary>
    private static double Tolerance(int samples, double value) => 1e-6 * (samples + Math.Abs(value));

    /// <summary>The output of the label less the largest other output.</summary>
    private static double Margin(double[] logits, int label) => logits[label] - logits.Where((_, i) => i != label).Max();

    private static (HandWrittenNetwork Network, Activation Activation) Oracle(FlatModel model, MlpSpec spec)
    {
        var activation = spec.Activation == Activation.ReLU.Name ? Activation.ReLU : Activation.Sigmoid;
        var layers = Enumerable.Range(1, spec.Hidden.Count + 1).ToArray();
        var weights = Array.ConvertAll(layers, l => Matrix($"fc{l}.weight"));
        var biases = Array.ConvertAll(layers, l => Vector($"fc{l}.bias"));
        return (new(activation, weights, biases), activation);

        double[] Vector(string name)
        {
            var layout = model.Layout.Single(l => l.Name == name);
            using var part = model.Parameters.narrow(0, layout.Offset, layout.Length);
            return [.. part.data<float>().Select(value => (double)value)];
        }

        double[,] Matrix(string name)
        {
            var shape = model.Layout.Single(l => l.Name == name).Shape;
            var matrix = new double[shape[0], shape[1]];
            Buffer.BlockCopy(Vector(name), 0, matrix, 0, matrix.Length * sizeof(double));
            return matrix;
        }
    }

    private static (double[][] Samples, int[] Labels) Samples(Job job, Round round, int microBatch)
    {
        var set = (ImageSet)(round.Kind == RoundKind.Train ? TestJobs.Data.Train : TestJobs.Data.Test);
        var (first, count) = round.MicroBatch(microBatch);
        var order = round.Kind == RoundKind.Train ? Permutation.Of(set.Count, job.Seed, round.Epoch) : [.. Enumerable.Range(0, set.Count)];
        var chosen = order[first..(first + count)];
        return (Array.ConvertAll(chosen, Image), Array.ConvertAll(chosen, i => (int)set.Labels[i]));

        double[] Image(int i) =>
            Array.ConvertAll(set.Pixels.Slice(i * set.SampleSize, set.SampleSize).ToArray(), pixel => pixel * (double)set.Scale);
    }
}
