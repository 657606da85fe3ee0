using Distributed.Core.Planning;
using Distributed.Core.Scores;
using Distributed.Jobs;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

/// <summary>Losses and metrics of given outputs, against their definitions in doubles.</summary>
[Collection(TorchTests.Name)]
public sealed class RegressionTests
{
    [Fact]
    public void Errors_are_squared_or_absolute_and_R2_is_the_explained_part() =>
        Gen.Select(Gen.Float[-10, 10].Array[2, 20], Gen.Float[-10, 10].Array[20], Gen.Bool, Gen.Int[1, 20])
            .Sample((outputs, numbers, isSquared, cut) =>
        {
            var targets = numbers[..outputs.Length];
            var set = new ArraySet(outputs, targets, new([outputs.Length / targets.Length], 0));
            var task = new Regression(new("numbers", set, set), isSquared ? Losses.L2 : Losses.L1);
            using var scope = NewDisposeScope();
            using var model = nn.Identity();
            var sums = new double[task.Metrics];
            var loss = 0.0;
            // The sums of two micro-batches.
            foreach (var part in new[] { Enumerable.Range(0, Math.Min(cut, outputs.Length)),
                Enumerable.Range(Math.Min(cut, outputs.Length), Math.Max(0, outputs.Length - cut)) })
            {
                if (!part.Any()) continue;
                var metrics = new double[task.Metrics];
                using var batch = task.Fetch(RoundKind.Evaluate, 0, [.. part], CPU);
                loss += task.LossSum(model, batch, metrics).item<float>();
                for (var i = 0; i < sums.Length; i++) sums[i] += metrics[i];
            }
            var errors = outputs.Zip(targets, (y, t) => (double)y - t).ToList();
            Assert.Equal(errors.Sum(e => isSquared ? e * e : Math.Abs(e)), loss, 1e-3);
            var mean = targets.Average(t => (double)t);
            var variation = targets.Sum(t => (t - mean) * (t - mean));
            if (variation > 1e-3) Assert.Equal(1 - (errors.Sum(e => e * e) / variation), Metric.R2.Of(sums, targets.Length),
                1e-4 * (1 + (1 / variation)) * (1 + errors.Sum(e => e * e)));
        }, iter: 200, threads: 1);

    [Fact]
    public void R2_of_equal_targets_is_not_a_number() => Assert.Equal(double.NaN, Metric.R2.Of([4, 6, 18], 2));
}
