using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Two convolutions 3×3 that keep the size of the image, each followed by an optional batch-norm and a ReLU. The state_dict has the names
/// and the order of a PyTorch module with the attributes <c>conv1, norm1, conv2, norm2</c>.
/// </summary>
internal static class ConvolutionBlock
{
    public static Sequential Create(int inputs, int outputs, bool batchNorm)
    {
        var block = Sequential();
        for (var number = 1; number <= 2; number++)
        {
            // A batch-norm would subtract a bias again.
            block.append($"conv{number}", Conv2d(number == 1 ? inputs : outputs, outputs, kernel_size: 3, padding: 1, bias: !batchNorm));
            if (batchNorm) block.append($"norm{number}", BatchNorm2d(outputs));
            block.append($"relu{number}", ReLU());
        }
        return block;
    }
}
