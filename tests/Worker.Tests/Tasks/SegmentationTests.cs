using Distributed.Core.Scores;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

[Collection(TorchTests.Name)]
public sealed class SegmentationTests
{
    private const int Classes = 11, Pixels = 1024;

    [Fact]
    public void The_loss_is_the_cross_entropy_of_the_pixels_and_the_gradient_is_softmax_minus_truth() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int).Sample((samples, seed) =>
    {
        var data = SceneBench.Some(SceneTargets.Masks, samples);
        var random = new Random(seed);
        float[] outputs = [.. Enumerable.Range(0, samples * Classes * Pixels).Select(_ => (random.NextSingle() * 8) - 4)];
        var (loss, gradient, metrics) = SceneBench.Evaluate(new Segmentation(data), outputs, samples, Classes, 32, 32);
        var (expected, sums) = (0.0, new double[MeanIou.SizeFor(Classes)]);
        for (var i = 0; i < samples * Pixels; i++)
        {
            var (sample, pixel) = (i / Pixels, i % Pixels);
            double[] logits = [.. Enumerable.Range(0, Classes).Select(c => (double)outputs[(((sample * Classes) + c) * Pixels) + pixel])];
            var (actual, sum) = (((SceneSet)data.Train)[sample].Mask[pixel], logits.Sum(Math.Exp));
            expected -= (logits[actual] - Math.Log(sum)) / Pixels;
            for (var c = 0; c < Classes; c++)
                Assert.Equal(((Math.Exp(logits[c]) / sum) - (c == actual ? 1 : 0)) / Pixels,
                    gradient[(((sample * Classes) + c) * Pixels) + pixel], 1e-7);
            var taken = Array.IndexOf(logits, logits.Max());
            for (var c = 0; c < Classes; c++)
            {
                if (c == taken && c == actual) sums[MeanIou.IntersectionOf(c)]++;
                if (c == taken || c == actual) sums[MeanIou.UnionOf(c)]++;
            }
        }
        Assert.Equal(expected, loss, 1e-4 * expected);
        Assert.Equal(sums, metrics);
    }, iter: 4, threads: 1);

    [Fact]
    public void A_unet_learns_the_background()
    {
        using var generator = manual_seed(1);
        using var model = new UNet(new() { Channels = [8, 16, 32], BatchNorm = true }, [1, 32, 32], Classes);
        var (before, after, metrics) = SceneBench.Learn(new Segmentation(SceneBench.Some(SceneTargets.Masks, 12)), model, steps: 100);
        Assert.InRange(after, 0, before / 10);
        // Distinguishing the digits takes hundreds of further steps.
        Assert.InRange(metrics[MeanIou.IntersectionOf(0)] / metrics[MeanIou.UnionOf(0)], 0.9, 1);
    }

    [Fact]
    public void The_picture_shows_a_scene_its_prediction_and_its_mask()
    {
        var task = new Segmentation(SceneBench.Some(SceneTargets.Masks, 3));
        using var model = new UNet(new() { Channels = [4], BatchNorm = false }, [1, 32, 32], Classes);
        using var picture = task.Draw(model, CPU);
        // Two columns of three images of 128 pixels, two rows, gaps, and the row of classes.
        Assert.Equal((2 * ((3 * 128) + 4 + 10) + 10, 27 + 10 + (2 * 138) + 10), (picture.Width, picture.Height));
    }
}
