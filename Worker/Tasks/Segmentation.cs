using System.Runtime.InteropServices;
using Distributed.Core.Scores;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Each pixel of an image into a class: softmax and cross-entropy, for a sample the mean over its pixels; the metrics are what
/// <see cref="MeanIou"/> takes.
/// </summary>
/// <param name="data">The images, whose targets are masks.</param>
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
        var taken = Taken(model.Call(batch.Inputs));
        var pixels = taken.Length / shown.Length;
        return MaskPicture.Draw([.. shown.Select(i => (scenes[i], (byte[])[.. taken.AsSpan(i * pixels, pixels)]))], _classes);
    }

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        using var scope = NewDisposeScope();
        var (samples, pixels) = (targets.shape[0], targets.numel() / targets.shape[0]);
        Measure(Taken(output), targets.cpu(), metrics);
        // A row a pixel: of images as such, the kernels for CUDA sum in an order that changes.
        var logits = output.permute(0, 2, 3, 1).reshape(samples * pixels, _classes);
        var labels = targets.to(ScalarType.Int64).flatten();
        return (nn.functional.cross_entropy(logits, labels, reduction: nn.Reduction.Sum) / pixels).MoveToOuterDisposeScope();
    }

    /// <summary>What each pixel is taken for: the class with the largest output.</summary>
    private static byte[] Taken(Tensor output)
    {
        using var classes = output.argmax(1).to(ScalarType.Byte).cpu();
        return classes.bytes.ToArray();
    }

    private static void Measure(ReadOnlySpan<byte> taken, Tensor targets, Span<double> metrics)
    {
        metrics.Clear();
        var actual = MemoryMarshal.Cast<byte, float>(targets.bytes);
        for (var i = 0; i < taken.Length; i++)
        {
            var (isOf, takenFor) = ((int)actual[i], taken[i]);
            metrics[MeanIou.EitherOf(isOf)]++;
            if (isOf == takenFor) metrics[MeanIou.BothOf(isOf)]++;
            else metrics[MeanIou.EitherOf(takenFor)]++;
        }
    }
}
