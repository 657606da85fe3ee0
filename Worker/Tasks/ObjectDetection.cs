using System.Runtime.InteropServices;
using Distributed.Core.Scores;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Detection of objects by the cells of a <see cref="BoxGrid"/>; the targets are boxes, the metrics the counts that
/// <see cref="AveragePrecision"/> reads. The loss of a sample is a sum over its cells (after Redmon et al. 2016): binary cross-entropy of
/// whether a cell has an object; if so, cross-entropy of its class and the generalized IoU loss of its box (Rezatofighi et al. 2019,
/// algorithm 1).
/// </summary>
internal sealed class ObjectDetection(DataSet data) : SupervisedTask(data), IPicturedTask
{
    private const double BoxWeight = 2;

    /// <summary>Boxes with a lower score are not counted.</summary>
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
        foreach (var (found, truth) in Found(output, grid).Zip(truths)) DetectionCounts.Add(found, truth, metrics);
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
        for (; numbers.Length > 0; numbers = numbers[grid.Size..])
            found.Add(Suppression.NonMaximum(grid.Decode(numbers[..grid.Size], MinScore), MaxIou, MaxFound));
        return found;
    }

    private static Tensor Encoded(BoxGrid grid, List<List<LabelledBox>> truths)
    {
        var cells = empty([truths.Count, grid.Channels, grid.Cells, grid.Cells], ScalarType.Float32);
        var numbers = MemoryMarshal.Cast<byte, float>(cells.bytes);
        for (var i = 0; i < truths.Count; i++) grid.Encode(truths[i], numbers.Slice(i * grid.Size, grid.Size));
        return cells;
    }

    // Over all cells, with factor 0 for empty ones: on CUDA, selecting the others would sum gradients in no fixed order.
    private static Tensor LossSum(Tensor output, Tensor cells, BoxGrid grid)
    {
        var isObject = cells.narrow(1, 0, 1);
        var objectness = nn.functional.binary_cross_entropy_with_logits(output.narrow(1, 0, 1), isObject, reduction: nn.Reduction.Sum);
        var logShares = nn.functional.log_softmax(output.narrow(1, BoxGrid.FirstClass, grid.Classes), 1);
        var classes = -(cells.narrow(1, BoxGrid.FirstClass, grid.Classes) * logShares).sum();
        var boxes = ((1 - GeneralizedIou(Boxes(output, grid), EdgesOf(cells))) * isObject).sum();
        return objectness + classes + (BoxWeight * boxes);
    }

    private static BoxEdges Boxes(Tensor output, BoxGrid grid)
    {
        var shares = output.narrow(1, BoxGrid.FirstBox, 4).sigmoid();
        var steps = arange(grid.Cells, ScalarType.Float32, output.device);
        var x = (shares.narrow(1, 0, 1) + steps.view(1, 1, 1, -1)) * grid.CellSize;
        var y = (shares.narrow(1, 1, 1) + steps.view(1, 1, -1, 1)) * grid.CellSize;
        var (halfWidth, halfHeight) = (shares.narrow(1, 2, 1) * (grid.Side / 2f), shares.narrow(1, 3, 1) * (grid.Side / 2f));
        return new(x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight);
    }

    private static BoxEdges EdgesOf(Tensor cells) => new(
        cells.narrow(1, BoxGrid.FirstBox, 1), cells.narrow(1, BoxGrid.FirstBox + 1, 1),
        cells.narrow(1, BoxGrid.FirstBox + 2, 1), cells.narrow(1, BoxGrid.FirstBox + 3, 1));

    /// <summary>-1 to 1: the IoU, less the share of the enclosing box that neither covers. Boxes b are not empty.</summary>
    private static Tensor GeneralizedIou(BoxEdges a, BoxEdges b)
    {
        var width = (minimum(a.Right, b.Right) - maximum(a.Left, b.Left)).clamp_min(0);
        var shared = width * (minimum(a.Bottom, b.Bottom) - maximum(a.Top, b.Top)).clamp_min(0);
        var union = ((a.Right - a.Left) * (a.Bottom - a.Top)) + ((b.Right - b.Left) * (b.Bottom - b.Top)) - shared;
        var around = (maximum(a.Right, b.Right) - minimum(a.Left, b.Left)) * (maximum(a.Bottom, b.Bottom) - minimum(a.Top, b.Top));
        return (shared / union) - ((around - union) / around);
    }

    /// <summary>The edges of each cell's box in pixels, each float32 [samples, 1, cells, cells].</summary>
    private readonly record struct BoxEdges(Tensor Left, Tensor Top, Tensor Right, Tensor Bottom);
}
