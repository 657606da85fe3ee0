using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// A way to better parameters, on whole vectors and in place: an <see cref="IGradientOptimizer"/> or an
/// <see cref="ISearchOptimizer"/>. The same parameters, state and contribution give the same bits, at a fixed thread count and CPU
/// type, so replicas stay equal.
/// </summary>
internal interface IVectorOptimizer : IDisposable
{
    /// <summary>The vectors to save and to send to a joiner, each float32, in a fixed order; write into them to restore.</summary>
    IReadOnlyList<(string Name, Tensor Slot)> State { get; }

    /// <summary>How many steps were taken; part of the state.</summary>
    long StepCount { get; set; }
}

/// <summary>Follows the gradient: what a step computes is computed at the parameters as they are.</summary>
internal interface IGradientOptimizer : IVectorOptimizer
{
    /// <param name="parameters">Float32 [parameters]; updated.</param>
    /// <param name="gradient">The mean gradient, float32 [parameters]. Used as scratch: its content afterwards is meaningless.</param>
    /// <param name="learningRate">The step's learning rate, at least 0.</param>
    void Step(Tensor parameters, Tensor gradient, double learningRate);
}

/// <summary>
/// Tries parameters and keeps the best: a step proposes a candidate, its loss on the step's batch is computed, and with that the
/// step is decided. Between two steps the parameters are the best so far, so nothing but a step ever sees a candidate.
/// </summary>
internal interface ISearchOptimizer : IVectorOptimizer
{
    /// <summary>Writes the candidate of a step over the parameters. It depends on them, the job's seed and the step alone, so whoever asks,
    /// and however often, tries the same.</summary>
    /// <param name="parameters">Float32 [parameters], the best so far.</param>
    /// <param name="step">The 0-based training step.</param>
    void Propose(Tensor parameters, long step);

    /// <param name="parameters">Float32 [parameters], the best so far; replaced by the candidate where that is better.</param>
    /// <param name="step">The 0-based training step.</param>
    /// <param name="loss">The candidate's mean loss on the step's batch. One that is no number is never the best.</param>
    bool Decide(Tensor parameters, long step, double loss);
}
