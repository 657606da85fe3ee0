using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// An update rule on whole vectors and in place. The same parameters, state and contribution give the same bits, at a fixed thread count
/// and CPU type, so replicas stay equal.
/// </summary>
internal interface IVectorOptimizer : IDisposable
{
    /// <summary>The vectors to save and to send to a joining worker, each float32, in a fixed order; write into them to restore.</summary>
    IReadOnlyList<(string Name, Tensor Slot)> State { get; }

    long StepCount { get; set; }
}

/// <summary>A rule that follows the gradient: a step computes its loss at the current parameters.</summary>
internal interface IGradientOptimizer : IVectorOptimizer
{
    /// <param name="parameters">Float32 [parameters]; updated.</param>
    /// <param name="gradient">The mean gradient, float32 [parameters]; overwritten as scratch memory.</param>
    void Step(Tensor parameters, Tensor gradient, double learningRate);
}

/// <summary>
/// A rule that tries candidates and keeps the best: a step proposes a candidate, computes its loss on the step's batch, and decides.
/// Between two steps the parameters are the best so far; only a step ever sees a candidate.
/// </summary>
internal interface ISearchOptimizer : IVectorOptimizer
{
    /// <summary>Overwrites the parameters, the best so far, with the candidate, a function of them, the job's seed and the step.</summary>
    void Propose(Tensor parameters, long step);

    /// <summary>Replaces the parameters, the best so far, by the step's candidate if that is better.</summary>
    /// <param name="loss">The candidate's mean loss on the step's batch.</param>
    bool Decide(Tensor parameters, long step, double loss);
}

internal static class Hyperparameter
{
    public static double NonNegative(double value, string name) => value >= 0 && double.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be a number of at least 0.");

    public static double Decay(double value, string name) => value is >= 0 and < 1
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be at least 0 and below 1.");
}
