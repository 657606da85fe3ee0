using System.Runtime.InteropServices;
using Distributed.Core.Scores;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Classification of each pixel by softmax and cross-entropy; the loss of a sample is the mean over its pixels, and the metrics are the
/// counts that <see cref="MeanIou"/> reads. The targets are masks.
/// </summary>
internal sealed class Segmentation(DataSet data) : SupervisedTask(data), IPicturedTask
{
    private readonly int _classes = data.Train.Format.Classes;

    public override int Metrics => MeanIou.SizeFor(_classes);

    public SKBitmap Draw(nn.Module model, Device device)
    {
        var scenes = (SceneSet)Data.Test;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        int[] shown = [.. Enumerable.Range(0, Math.Min(MaskPicture.Scenes, scenes.Count))];
        var batch = SampleBatch.Of(scenes, shown, device);
        var predicted = Predict(model.Call(batch.Inputs));
        var pixels = predicted.Length / shown.Length;
        return MaskPicture.Draw([.. shown.Select(i => (scenes[i], (byte[])[.. predicted.AsSpan(i * pixels, pixels)]))], _classes);
    }

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        using var scope = NewDisposeScope();
        var (samples, pixels) = (targets.shape[0], targets.numel() / targets.shape[0]);
        Measure(Predict(output), targets.cpu(), metrics);
        // One row for each pixel: on CUDA the kernel for images sums in an order that changes.
        var logits = output.permute(0, 2, 3, 1).reshape(samples * pixels, _classes);
        var labels = targets.to(ScalarType.Int64).flatten();
        return (nn.functional.cross_entropy(logits, labels, reduction: nn.Reduction.Sum) / pixels).MoveToOuterDisposeScope();
    }

    private static byte[] Predict(Tensor output)
    {
        using var classes = output.argmax(1).to(ScalarType.Byte).cpu();
        return classes.bytes.ToArray();
    }

    private static void Measure(ReadOnlySpan<byte> predicted, Tensor targets, Span<double> metrics)
    {
        metrics.Clear();
        var labels = MemoryMarshal.Cast<byte, float>(targets.bytes);
        for (var i = 0; i < predicted.Length; i++)
        {
            var actual = (int)labels[i];
            metrics[MeanIou.UnionOf(actual)]++;
            if (actual == predicted[i]) metrics[MeanIou.IntersectionOf(actual)]++;
            else metrics[MeanIou.UnionOf(predicted[i])]++;
        }
    }
}
