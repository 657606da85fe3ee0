using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>A task of which a picture says more than a number does.</summary>
internal interface IPicturedTask
{
    /// <summary>Draws what a model makes of the first test samples.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="device">Where it lies.</param>
    /// <returns>The caller disposes it.</returns>
    SKBitmap Draw(nn.Module model, Device device);
}
