using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// A search by candidates made from the best parameters and from noise that depends on the job's seed and the step; the first step tries
/// the initial parameters. A candidate is kept if its loss on the step's batch is below the loss that the best had on the batch of its own
/// step. Where a batch is the whole training set, both losses are of the same samples; otherwise a candidate that met an easy batch stays
/// longer than it deserves.
/// </summary>
internal abstract class SeededSearch : ISearchOptimizer
{
    /// <summary>The stream of random numbers; those of micro-batches count from 0.</summary>
    private const long Candidate = -1;

    private readonly long _seed;
    private readonly Tensor _bestLoss;

    private ref float BestLoss => ref MemoryMarshal.Cast<byte, float>(_bestLoss.bytes)[0];

    private protected SeededSearch(long seed)
    {
        _seed = seed;
        _bestLoss = zeros([1], float32, CPU).DetachFromDisposeScope();
        BestLoss = float.PositiveInfinity;
        State = [("best_loss", _bestLoss)];
    }

    public IReadOnlyList<(string Name, Tensor Slot)> State { get; }
    public long StepCount { get; set; }

    public void Propose(Tensor parameters, long step)
    {
        if (step == 0) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // On the CPU even if the parameters are not: the random numbers depend on the kind of device.
        using var generator = new Generator(Permutation.Mix(_seed, step, Candidate), CPU);
        using var noise = empty(parameters.shape, float32, CPU);
        noise.normal_(0, 1, generator);
        Move(parameters, noise.to(parameters.device));
    }

    public bool Decide(Tensor parameters, long step, double loss)
    {
        StepCount++;
        // In float32, as it is saved. NaN is never the best.
        var rounded = (float)loss;
        if (!(rounded < BestLoss)) return false;
        BestLoss = rounded;
        Propose(parameters, step);
        return true;
    }

    public void Dispose()
    {
        _bestLoss.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Turns the best parameters into the candidate, in place.</summary>
    /// <param name="noise">Independent standard normal numbers, float32 [parameters] on the same device.</param>
    private protected abstract void Move(Tensor parameters, Tensor noise);
}

/// <summary>Local search: a candidate is the best parameters plus normal noise of standard deviation <paramref name="stepSize"/>.</summary>
internal sealed class LocalSearch(long seed, double stepSize) : SeededSearch(seed)
{
    private readonly double _stepSize = Hyperparameter.NonNegative(stepSize, nameof(stepSize));

    private protected override void Move(Tensor parameters, Tensor noise) => parameters.AddTimes(noise, _stepSize);
}

/// <summary>Random search: a candidate is normal noise around 0 of standard deviation <paramref name="scale"/>.</summary>
internal sealed class RandomSearch(long seed, double scale) : SeededSearch(seed)
{
    private readonly double _scale = Hyperparameter.NonNegative(scale, nameof(scale));

    private protected override void Move(Tensor parameters, Tensor noise) => parameters.copy_(noise).MultiplyBy(_scale);
}
