using static TorchSharp.torch;

namespace Distributed.Worker.Optimizers;

/// <summary>
/// An update rule on whole vectors, in place. The same parameters, state, gradient and learning rate give the same bits, at a
/// fixed thread count and CPU type, so replicas stay equal.
/// </summary>
public interface IVectorOptimizer : IDisposable
{
    /// <summary>The vectors to save and to send to a joiner, each float32 of the parameters' length, in a fixed order; write into them to restore.</summary>
    IReadOnlyList<(string Name, Tensor Slot)> State { get; }

    /// <summary>How many steps were taken; part of the state.</summary>
    long StepCount { get; set; }

    /// <summary>Takes one step.</summary>
    /// <param name="parameters">Float32 [parameters]; updated.</param>
    /// <param name="gradient">The mean gradient, float32 [parameters]. Used as scratch: its content afterwards is meaningless.</param>
    /// <param name="learningRate">The step's learning rate, at least 0.</param>
    void Step(Tensor parameters, Tensor gradient, double learningRate);
}
