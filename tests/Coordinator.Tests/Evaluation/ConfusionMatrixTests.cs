using Distributed.Coordinator.Commands;

namespace Distributed.Coordinator.Tests.Evaluation;

public sealed class ConfusionMatrixTests
{
    private static readonly Gen<(int Classes, (int Actual, int Predicted)[] Samples)> _anySamples =
        from classes in Gen.Int[1, 6]
        from samples in Gen.Select(Gen.Int[0, classes - 1], Gen.Int[0, classes - 1]).Array[0, 60]
        select (classes, samples);

    [Fact]
    public void Precision_and_recall_equal_those_counted_one_by_one() =>
        _anySamples.Sample((classes, samples) =>
        {
            var tallies = new double[classes * classes];
            foreach (var (actual, predicted) in samples) tallies[(actual * classes) + predicted]++;
            var matrix = ConfusionMatrix.Of(tallies)!;
            for (var c = 0; c < classes; c++)
            {
                var (of, taken, right) =
                    (samples.Count(s => s.Item1 == c), samples.Count(s => s.Item2 == c), samples.Count(s => s == (c, c)));
                var quality = matrix.Qualities()[c];
                Assert.Equal(of, quality.Samples);
                Assert.Equal(taken == 0 ? null : (double)right / taken, quality.Precision);
                Assert.Equal(of == 0 ? null : (double)right / of, quality.Recall);
                if (quality.F1 is { } f1) Assert.Equal(2.0 * right / (of + taken), f1, 12);
                Assert.Equal(of, matrix.Rows()[c].Sum());
            }
        });

    [Theory]
    [InlineData]
    [InlineData(1.0, 2.0)]
    [InlineData(1.0, 2.0, 3.0, -1.0)]
    [InlineData(1.0, 2.0, 3.0, 0.5)]
    [InlineData(1.0, 2.0, 3.0, double.NaN)]
    public void Numbers_that_cannot_be_counts_give_no_matrix(params double[] tallies) => Assert.Null(ConfusionMatrix.Of(tallies));

    [Fact]
    public void The_picture_shades_the_cells()
    {
        using var folder = new TemporaryFolder();
        ConfusionPicture.Save(folder["confusion.png"], "mine", ConfusionMatrix.Of([3, 1, 0, 4])!, ["cat", "a long name"]);
        using var picture = SkiaSharp.SKBitmap.Decode(folder["confusion.png"]);
        Assert.Equal((900, 900), (picture.Width, picture.Height));
        // The predicted class of most samples is dark; an empty cell is white.
        Assert.True(picture.GetPixel(200, 200).Blue > 150 && picture.GetPixel(200, 200).Red < 120);
        Assert.Equal(SkiaSharp.SKColors.White, picture.GetPixel(300, 650));
    }
}
