using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>The simplest judge of images: they are of the class whose mean image is the nearest.</summary>
/// <param name="means">Float32, class by class, a mean image each.</param>
internal sealed class NearestMean(float[] means, int classes)
{
    public static NearestMean Of(SampleSet set)
    {
        var (size, classes) = (set.Format.SampleSize, set.Format.Classes);
        var (sums, counts) = (new double[classes * size], new int[classes]);
        var (image, target) = (new float[size], new float[1]);
        for (var i = 0; i < set.Count; i++)
        {
            set.CopyTo([i], image, target);
            var first = (int)target[0] * size;
            counts[(int)target[0]]++;
            for (var j = 0; j < size; j++) sums[first + j] += image[j];
        }
        return new([.. sums.Select((sum, i) => counts[i / size] > 0 ? (float)(sum / counts[i / size]) : float.PositiveInfinity)], classes);
    }

    /// <param name="images">Float32 [samples, …].</param>
    /// <returns>Int64 [samples]; the caller disposes it.</returns>
    public Tensor ClassesOf(Tensor images)
    {
        using var scope = NewDisposeScope();
        var centres = tensor(means).view(classes, -1).to(images.device);
        return (images.flatten(1).unsqueeze(1) - centres).square().sum(2).argmin(1).MoveToOuterDisposeScope();
    }
}
