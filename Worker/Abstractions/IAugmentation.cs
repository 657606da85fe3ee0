namespace Distributed.Worker.Abstractions;

/// <summary>Changes images of training at random. Used by any number of threads.</summary>
public interface IAugmentation
{
    /// <summary>Changes an image in place; the same arguments give the same bits.</summary>
    /// <param name="epoch">0-based epoch in which it is used.</param>
    /// <param name="sample">Number of the sample in the training set.</param>
    /// <param name="image">Channels × height × width values.</param>
    void Apply(int epoch, int sample, Span<float> image);
}
