using System.Runtime.InteropServices;
using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

/// <summary>A trained model that classifies images one by one, so that what it says of one does not depend on the others. Belongs to one thread.</summary>
internal sealed class Predictor : IDisposable
{
    private readonly ImageFormat _format;
    private readonly Device _device;
    private readonly nn.Module _model;

    /// <summary>Builds the model of a job as it was trained.</summary>
    /// <param name="format">What its data set's images are like.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="plugins">Libraries of models; null for none.</param>
    /// <exception cref="InvalidDataException">The tensors are not those of the job's model.</exception>
    public Predictor(Job job, ImageFormat format, IReadOnlyCollection<TensorData> tensors, Device device, PluginSet? plugins = null)
    {
        (_format, _device) = (format, device);
        _model = JobModels.LoadModel(job, format, tensors, device, plugins);
    }

    /// <summary>The outputs of the model before the softmax, one a class. The single output for one of two classes is the second's, beside 0 for the
    /// first: their softmax is the output's sigmoid.</summary>
    /// <param name="pixels">Raw pixels as the data set has them, channels × height × width.</param>
    public float[] Logits(ReadOnlyMemory<byte> pixels)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var image = empty([1, _format.Channels, _format.Height, _format.Width], ScalarType.Float32);
        // By the way that training takes, so that equal pixels become equal numbers.
        Span<float> label = stackalloc float[1];
        new ImageSet(pixels, new byte[1], _format.Channels, _format.Height, _format.Width, _format.Classes, _format.Scale)
            .CopyTo([0], MemoryMarshal.Cast<byte, float>(image.bytes), label);
        var outputs = _model.Call(image.to(_device)).cpu().data<float>().ToArray();
        return outputs is [var output] ? [0, output] : outputs;
    }

    public void Dispose() => _model.Dispose();
}
