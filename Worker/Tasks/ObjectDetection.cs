using System.Runtime.InteropServices;
using Distributed.Core.Scores;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Things in images, by the cells of a <see cref="BoxGrid"/>; the metrics are what <see cref="AveragePrecision"/> takes. The loss of a
/// sample is a sum over its cells, of the parts that Redmon et al. 2016 name: binary cross-entropy of whether there is a thing, and where
/// there is one, cross-entropy of its class, and of its box the generalized IoU loss (Rezatofighi et al. 2019, algorithm 1).
/// </summary>
/// <param name="data">The images, whose targets are boxes.</param>
internal sealed class ObjectDetection(DataSet data) : SupervisedTask(data), IPicturedTask
{
    private const double BoxWeight = 2;

    /// <summary>A box below this score says too little to be counted.</summary>
    private const float MinScore = 0.02f;

    private const float MaxIou = 0.5f;
    private const int MaxFound = 100;

    private readonly SceneFormat _format = (SceneFormat)data.Train.Format;

    public override int Metrics => AveragePrecision.SizeFor(_format.Classes);

    public SKBitmap Draw(nn.Module model, Device device)
    {
        var scenes = (SceneSet)Data.Test;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        int[] shown = [.. Enumerable.Range(0, Math.Min(BoxPicture.Scenes, scenes.Count))];
        var batch = SampleBatch.Of(scenes, shown, device);
        var output = model.Call(batch.Inputs);
        return BoxPicture.Draw([.. shown.Select(i => scenes[i]).Zip(Found(output, GridOf(output)))]);
    }

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        using var scope = NewDisposeScope();
        var grid = GridOf(output);
        var truths = TruthsOf(targets);
        metrics.Clear();
        foreach (var (found, there) in Found(output, grid).Zip(truths)) DetectionCounts.Add(found, there, metrics);
        return LossSum(output, Encoded(grid, truths).to(output.device), grid).MoveToOuterDisposeScope();
    }

    private BoxGrid GridOf(Tensor output) => new(_format.Side, (int)output.shape[3], _format.Classes);

    private static List<List<LabelledBox>> TruthsOf(Tensor targets)
    {
        using var here = targets.cpu();
        var numbers = MemoryMarshal.Cast<byte, float>(here.bytes);
        var size = numbers.Length / (int)targets.shape[0];
        List<List<LabelledBox>> truths = [];
        for (; numbers.Length > 0; numbers = numbers[size..]) truths.Add(BoxTargets.Read(numbers[..size]));
        return truths;
    }

    private static List<List<ScoredBox>> Found(Tensor output, BoxGrid grid)
    {
        using var scope = NewDisposeScope();
        var numbers = MemoryMarshal.Cast<byte, float>(output.detach().cpu().contiguous().bytes);
        List<List<ScoredBox>> found = [];
        for (; numbers.Length > 0; numbers = numbers[grid.Size..]) found.Add(Suppression.NonMaximum(grid.Decode(numbers[..grid.Size], MinScore), MaxIou, MaxFound));
        return found;
    }

    private static Tensor Encoded(BoxGrid grid, List<List<LabelledBox>> truths)
    {
        var cells = empty([truths.Count, grid.Channels, grid.Cells, grid.Cells], ScalarType.Float32);
        var numbers = MemoryMarshal.Cast<byte, float>(cells.bytes);
        for (var i = 0; i < truths.Count; i++) grid.Encode(truths[i], numbers.Slice(i * grid.Size, grid.Size));
        return cells;
    }

    /// <summary>Over all cells, with zeros where there is nothing: picking those where there is would add up gradients in no fixed order on CUDA.</summary>
    private static Tensor LossSum(Tensor output, Tensor cells, BoxGrid grid)
    {
        var isThing = cells.narrow(1, 0, 1);
        var objectness = nn.functional.binary_cross_entropy_with_logits(output.narrow(1, 0, 1), isThing, reduction: nn.Reduction.Sum);
        var classes = -(cells.narrow(1, BoxGrid.FirstClass, grid.Classes) * nn.functional.log_softmax(output.narrow(1, BoxGrid.FirstClass, grid.Classes), 1)).sum();
        var boxes = ((1 - GeneralizedIou(Boxes(output, grid), Edges(cells))) * isThing).sum();
        return objectness + classes + (BoxWeight * boxes);
    }

    /// <summary>Left, top, right and bottom of each cell's box, each float32 [samples, 1, cells, cells]; as <see cref="BoxGrid.Decode"/> has them.</summary>
    private static (Tensor Left, Tensor Top, Tensor Right, Tensor Bottom) Boxes(Tensor output, BoxGrid grid)
    {
        var shares = output.narrow(1, BoxGrid.FirstBox, 4).sigmoid();
        var steps = arange(grid.Cells, ScalarType.Float32, output.device);
        var x = (shares.narrow(1, 0, 1) + steps.view(1, 1, 1, -1)) * grid.CellSize;
        var y = (shares.narrow(1, 1, 1) + steps.view(1, 1, -1, 1)) * grid.CellSize;
        var (halfWidth, halfHeight) = (shares.narrow(1, 2, 1) * (grid.Side / 2f), shares.narrow(1, 3, 1) * (grid.Side / 2f));
        return (x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight);
    }

    private static (Tensor Left, Tensor Top, Tensor Right, Tensor Bottom) Edges(Tensor cells) => (
        cells.narrow(1, BoxGrid.FirstBox, 1), cells.narrow(1, BoxGrid.FirstBox + 1, 1),
        cells.narrow(1, BoxGrid.FirstBox + 2, 1), cells.narrow(1, BoxGrid.FirstBox + 3, 1));

    /// <summary>-1 to 1: the IoU, less the share of the box around both that is neither. The boxes <paramref name="b"/> are not empty.</summary>
    private static Tensor GeneralizedIou(
        (Tensor Left, Tensor Top, Tensor Right, Tensor Bottom) a, (Tensor Left, Tensor Top, Tensor Right, Tensor Bottom) b)
    {
        var shared = (minimum(a.Right, b.Right) - maximum(a.Left, b.Left)).clamp_min(0) * (minimum(a.Bottom, b.Bottom) - maximum(a.Top, b.Top)).clamp_min(0);
        var union = ((a.Right - a.Left) * (a.Bottom - a.Top)) + ((b.Right - b.Left) * (b.Bottom - b.Top)) - shared;
        var around = (maximum(a.Right, b.Right) - minimum(a.Left, b.Left)) * (maximum(a.Bottom, b.Bottom) - minimum(a.Top, b.Top));
        return (shared / union) - ((around - union) / around);
    }
}
