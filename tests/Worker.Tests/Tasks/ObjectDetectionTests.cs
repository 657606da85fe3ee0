using Distributed.Core.Scores;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Oracle;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

[Collection(TorchTests.Name)]
public sealed class ObjectDetectionTests
{
    private const int Classes = 10, Cells = 8, Area = Cells * Cells, Channels = 5 + Classes, Side = 32;

    [Fact]
    public void The_loss_and_its_gradient_match_the_definition() => Gen.Select(Gen.Int[1, 3], Gen.Int).Sample((samples, seed) =>
    {
        var data = SceneBench.Some(SceneTargets.Boxes, samples);
        var random = new Random(seed);
        double[] outputs = [.. Enumerable.Range(0, samples * Channels * Area).Select(_ => (double)((random.NextSingle() * 4) - 2))];
        var (loss, gradient, _) = SceneBench.Evaluate(new ObjectDetection(data), [.. outputs.Select(x => (float)x)], samples, Channels,
            Cells, Cells);
        Assert.Equal(Loss(), loss, 1e-4 * loss);
        // All cells with an object, and as many others.
        foreach (var sample in Enumerable.Range(0, samples))
        {
            foreach (var cell in ((SceneSet)data.Train)[sample].Boxes.Select(box => CellOf(box.Box))
                .SelectMany(cell => (int[])[cell, random.Next(Area)]))
            {
                for (var channel = 0; channel < Channels; channel++)
                {
                    var at = (((sample * Channels) + channel) * Area) + cell;
                    Assert.Equal(CentralDifference.Of(Loss, ref outputs[at]), gradient[at], 2e-4);
                }
            }
        }

        double Loss() => Enumerable.Range(0, samples)
            .Sum(sample => LossOf(outputs.AsSpan(sample * Channels * Area, Channels * Area), ((SceneSet)data.Train)[sample].Boxes));
    }, iter: 5, threads: 1);

    [Fact]
    public void Outputs_of_any_size_give_a_finite_loss_and_gradient() =>
        Gen.Select(Gen.OneOfConst(-1e4f, -200, 0, 200, 1e4f).Array[Channels], Gen.Int[0, 1]).Sample((extremes, _) =>
    {
        float[] outputs = [.. extremes.SelectMany(x => Enumerable.Repeat(x, Area))];
        var (loss, gradient, metrics) = SceneBench.Evaluate(new ObjectDetection(SceneBench.Some(SceneTargets.Boxes, 1)), outputs, 1,
            Channels, Cells, Cells);
        Assert.True(double.IsFinite(loss));
        Assert.All(gradient, x => Assert.True(float.IsFinite(x)));
        Assert.All(metrics, count => Assert.True(count >= 0 && count == Math.Floor(count)));
    }, iter: 50, threads: 1);

    [Fact]
    public void A_detector_learns_the_boxes()
    {
        using var generator = manual_seed(1);
        using var model = new Detector(new() { Channels = [8, 16, 32], BatchNorm = true }, [1, Side, Side], Classes);
        var (before, after, metrics) = SceneBench.Learn(new ObjectDetection(SceneBench.Some(SceneTargets.Boxes, 24)), model, steps: 100);
        Assert.InRange(after, 0, before / 4);
        Assert.InRange(new AveragePrecision().Of(metrics, 24), 0.8, 1);
    }

    [Fact]
    public void The_picture_shows_the_scenes()
    {
        var task = new ObjectDetection(SceneBench.Some(SceneTargets.Boxes, 5));
        using var model = new Detector(new() { Channels = [4, 4, 4], BatchNorm = false }, [1, Side, Side], Classes);
        using var picture = task.Draw(model, CPU);
        // Four columns and two rows of 192 pixels, with gaps.
        Assert.Equal(((4 * 202) + 10, (2 * 202) + 10), (picture.Width, picture.Height));
    }

    private static int CellOf(Box box) => ((int)((box.Top + box.Bottom) / 8) * Cells) + (int)((box.Left + box.Right) / 8);

    private static double LossOf(ReadOnlySpan<double> outputs, IReadOnlyList<LabelledBox> boxes)
    {
        var loss = 0.0;
        for (var cell = 0; cell < Area; cell++)
        {
            var thing = boxes.Where(box => CellOf(box.Box) == cell).Select(box => ((int Class, Box Box)?)(box.Class, box.Box))
                .FirstOrDefault();
            // -log sigmoid(z) for a cell with an object, -log(1 - sigmoid(z)) for one without.
            loss += Math.Log(1 + Math.Exp(thing is null ? outputs[cell] : -outputs[cell]));
            if (thing is not var (number, truth)) continue;
            var sum = 0.0;
            for (var c = 0; c < Classes; c++) sum += Math.Exp(outputs[((5 + c) * Area) + cell]);
            loss += Math.Log(sum) - outputs[((5 + number) * Area) + cell];
            var (x, y) = ((Sigmoid(outputs[Area + cell]) + (cell % Cells)) * 4, (Sigmoid(outputs[(2 * Area) + cell]) + (cell / Cells)) * 4);
            var (w, h) = (Sigmoid(outputs[(3 * Area) + cell]) * Side, Sigmoid(outputs[(4 * Area) + cell]) * Side);
            loss += 2 * (1 - GeneralizedIou((x - (w / 2), y - (h / 2), x + (w / 2), y + (h / 2)),
                (truth.Left, truth.Top, truth.Right, truth.Bottom)));
        }
        return loss;
    }

    // Rezatofighi et al. 2019, algorithm 1.
    private static double GeneralizedIou((double L, double T, double R, double B) a, (double L, double T, double R, double B) b)
    {
        var shared = Math.Max(0, Math.Min(a.R, b.R) - Math.Max(a.L, b.L)) * Math.Max(0, Math.Min(a.B, b.B) - Math.Max(a.T, b.T));
        var union = ((a.R - a.L) * (a.B - a.T)) + ((b.R - b.L) * (b.B - b.T)) - shared;
        var around = (Math.Max(a.R, b.R) - Math.Min(a.L, b.L)) * (Math.Max(a.B, b.B) - Math.Min(a.T, b.T));
        return (shared / union) - ((around - union) / around);
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
