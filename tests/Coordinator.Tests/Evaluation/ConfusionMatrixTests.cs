using Distributed.Coordinator.Commands;

namespace Distributed.Coordinator.Tests.Evaluation;

public sealed class ConfusionMatrixTests
{
    [Fact]
    public void Precision_and_recall_are_what_counting_one_by_one_gives() =>
        Gen.Int[1, 6].SelectMany(classes => Gen.Select(Gen.Const(classes), Gen.Select(Gen.Int[0, classes - 1], Gen.Int[0, classes - 1]).Array[0, 60])).Sample((classes, samples) =>
        {
            var tallies = new double[classes * classes];
            foreach (var (actual, predicted) in samples) tallies[(actual * classes) + predicted]++;
            var matrix = ConfusionMatrix.Of(tallies)!;
            for (var c = 0; c < classes; c++)
            {
                var (of, taken, right) = (samples.Count(s => s.Item1 == c), samples.Count(s => s.Item2 == c), samples.Count(s => s == (c, c)));
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
    public void What_cannot_be_counts_is_none(params double[] tallies) => Assert.Null(ConfusionMatrix.Of(tallies));

    [Fact]
    public void The_picture_is_one()
    {
        using var folder = new TemporaryFolder();
        ConfusionPicture.Save(folder["confusion.png"], "mine", ConfusionMatrix.Of([3, 1, 0, 4])!, ["cat", "a long name"]);
        using var picture = SkiaSharp.SKBitmap.Decode(folder["confusion.png"]);
        Assert.Equal((900, 900), (picture.Width, picture.Height));
        // What most samples of a class were taken for is dark, what none was is white.
        Assert.True(picture.GetPixel(200, 200).Blue > 150 && picture.GetPixel(200, 200).Red < 120);
        Assert.Equal(SkiaSharp.SKColors.White, picture.GetPixel(300, 650));
    }
}
