using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

/// <summary>Losses and metrics of given outputs, against their definitions in doubles.</summary>
[Collection(TorchTests.Name)]
public sealed class ClassificationTests
{
    private static readonly Gen<double> _logit = Gen.OneOf(Gen.Double[-5, 5], Gen.Double[-80, 80]);

    [Fact]
    public void A_sigmoid_distinguishes_two_classes() =>
        Gen.Select(_logit.Array[1, 20], Gen.Int[0, 1].Array[20], Gen.Bool).Sample((outputs, classes, withConfusion) =>
        {
            float[] logits = [.. outputs.Select(z => (float)z)];
            var (loss, metrics) = Evaluate(data => new BinaryClassification(data, withConfusion), logits, [.. classes.Take(logits.Length)]);
            // -log sigmoid(z) for class 1, -log(1 - sigmoid(z)) for class 0.
            Assert.Equal(logits.Zip(classes, (z, c) => Softplus(c == 1 ? -z : z)).Sum(), loss, 1e-4 + (1e-5 * loss));
            Assert.Equal(logits.Zip(classes).Count(sample => sample.First > 0 == (sample.Second == 1)), metrics[0]);
            Assert.Equal(withConfusion ? [.. Confusion(classes, logits.Select(z => z > 0 ? 1 : 0), 2)] : [], metrics[1..]);
        }, iter: 200, threads: 1);

    [Fact]
    public void A_softmax_distinguishes_several_classes() =>
        Gen.Select(_logit.Array[3, 3].Array[1, 20], Gen.Int[0, 2].Array[20], Gen.Bool).Sample((outputs, classes, withConfusion) =>
        {
            var logits = outputs.Select(row => row.Select(z => (float)z).ToArray()).ToArray();
            var (loss, metrics) = Evaluate(data => new Classification(data, withConfusion), [.. logits.SelectMany(row => row)],
                [.. classes.Take(logits.Length)], kinds: 3);
            Assert.Equal(logits.Zip(classes, (row, c) => Math.Log(row.Sum(z => Math.Exp((double)z - row.Max()))) + row.Max() - row[c])
                .Sum(), loss, 1e-3 + (1e-5 * loss));
            var taken = logits.Select(row => Array.IndexOf(row, row.Max())).ToList();
            Assert.Equal(taken.Zip(classes).Count(sample => sample.First == sample.Second), metrics[0]);
            Assert.Equal(withConfusion ? [.. Confusion(classes, taken, 3)] : [], metrics[1..]);
        }, iter: 200, threads: 1);

    private static (double Loss, double[] Metrics) Evaluate(Func<DataSet, SupervisedTask> create, float[] logits, int[] classes,
        int kinds = 2)
    {
        var set = new ArraySet(logits, classes.Select(c => (float)c).ToArray(), new([logits.Length / classes.Length], kinds));
        var task = create(new("logits", set, set));
        using var scope = NewDisposeScope();
        using var model = nn.Identity();
        var metrics = new double[task.Metrics];
        using var batch = task.Fetch(RoundKind.Evaluate, 0, [.. Enumerable.Range(0, set.Count)], CPU);
        return (task.LossSum(model, batch, metrics).item<float>(), metrics);
    }

    private static IEnumerable<double> Confusion(int[] actual, IEnumerable<int> taken, int classes)
    {
        var counts = new double[classes * classes];
        foreach (var (sample, predicted) in taken.Select((predicted, sample) => (sample, predicted))) counts[(actual[sample] * classes)
            + predicted]++;
        return counts;
    }

    private static double Softplus(double x) => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)));
}
