using Distributed.Core.Scores;

namespace Distributed.Shared.Tests.Kernel;

/// <summary>Compares the binned metric with the exact area under the curve of all boxes.</summary>
public sealed class AveragePrecisionTests
{
    private static readonly AveragePrecision _metric = new();

    private static readonly Gen<(int Truths, (float Score, bool IsHit)[] Boxes)> _class = Gen.Select(Gen.Int[1, 60], Gen.Int[0, 100])
        .SelectMany((truths, misses) =>
        Gen.Int[0, truths].SelectMany(hits => Gen.Float[0, 1].Array[hits + misses].Select(scores =>
            (truths, ((float, bool)[])[.. scores.Select((score, i) => (score, i < hits))]))));

    private static readonly Gen<(int Truths, (float Score, bool IsHit)[] Boxes)[]> _classes = _class.Array[1, 4];

    [Fact]
    public void It_is_exact_if_all_boxes_of_a_bin_have_one_score() => _classes.Sample(classes =>
    {
        var binned =
            classes.Select(c => (c.Truths, ((float, bool)[])[.. c.Boxes.Select(box => (MiddleOf(box.Score), box.IsHit))])).ToArray();
        Assert.Equal(Exact(binned), _metric.Of(Sums(binned), 1), 1e-9);
    });

    [Fact]
    public void It_is_never_above_the_exact_one() =>
        _classes.Sample(classes => Assert.InRange(_metric.Of(Sums(classes), 1), 0, Exact(classes) + 1e-9));

    [Fact]
    public void With_hundreds_of_boxes_it_is_exact_to_a_hundredth() => Gen.Float[0, 1].Array[1200].Sample(scores =>
    {
        // A higher score means a more frequent hit, as in a trained model.
        (int, (float Score, bool IsHit)[] Boxes) one = (700, [.. scores.Select((score, i) => (score, score * 1200 > (i * 7919) % 1200))]);
        Assert.Equal(Exact([one]), _metric.Of(Sums([one]), 1), 0.01);
    }, iter: 50);

    [Fact]
    public void A_class_without_ground_truth_is_skipped()
    {
        (int, (float, bool)[]) all = (2, [(0.9f, true), (0.8f, true)]), none = (0, [(0.9f, false)]);
        Assert.Equal(1, _metric.Of(Sums([all, none]), 1));
        Assert.Equal(double.NaN, _metric.Of(Sums([none]), 1));
    }

    private static float MiddleOf(float score) =>
        (Math.Min(AveragePrecision.Bins - 1, (int)(score * AveragePrecision.Bins)) + 0.5f) / AveragePrecision.Bins;

    private static double[] Sums((int Truths, (float Score, bool IsHit)[] Boxes)[] classes)
    {
        var sums = new double[AveragePrecision.SizeFor(classes.Length)];
        for (var c = 0; c < classes.Length; c++)
        {
            sums[AveragePrecision.TruthsOf(c)] = classes[c].Truths;
            foreach (var (score, isHit) in classes[c].Boxes)
                sums[isHit ? AveragePrecision.HitsOf(c, score) : AveragePrecision.MissesOf(c, score)]++;
        }
        return sums;
    }

    /// <summary>All-point interpolation: at each recall, the best precision at that recall or a higher one.</summary>
    private static double Exact((int Truths, (float Score, bool IsHit)[] Boxes)[] classes) => classes.Where(c => c.Truths > 0).Select(c =>
    {
        List<(double Recall, double Precision)> curve = [(0, 0)];
        foreach (var threshold in c.Boxes.Select(box => box.Score).Distinct().OrderDescending())
        {
            var taken = c.Boxes.Where(box => box.Score >= threshold).ToList();
            double hits = taken.Count(box => box.IsHit);
            curve.Add((hits / c.Truths, hits / taken.Count));
        }
        double BestFrom(double recall) => curve.Where(point => point.Recall >= recall).Max(point => point.Precision);
        return curve.Zip(curve.Skip(1)).Sum(step => (step.Second.Recall - step.First.Recall) * BestFrom(step.Second.Recall));
    }).DefaultIfEmpty(0).Average();
}
