using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// What searches have in common: a candidate is made of the best parameters and of noise that the job's seed and the step decide;
/// the first step tries the parameters that training begins with. It is kept if its loss on the step's batch is below the loss
/// that the best had on the batch of its own step. Where a batch is the whole training set these are losses on the same samples;
/// where it is not, a candidate that met an easy batch stays longer than it deserves.
/// </summary>
internal abstract class SeededSearch : ISearchOptimizer
{
    /// <summary>Names the use of randomness: micro-batches have the numbers from 0.</summary>
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
        ArgumentNullException.ThrowIfNull(parameters);
        if (step == 0) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // Drawn here wherever the parameters lie: devices of other kinds have other random numbers.
        using var generator = new Generator(Permutation.Mix(_seed, step, Candidate), CPU);
        using var noise = empty(parameters.shape, float32, CPU);
        noise.normal_(0, 1, generator);
        Move(parameters, noise.to(parameters.device));
    }

    public bool Decide(Tensor parameters, long step, double loss)
    {
        StepCount++;
        // Compared as it is saved.
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

    /// <summary>Makes the candidate of the best parameters, in place.</summary>
    /// <param name="parameters">Float32 [parameters].</param>
    /// <param name="noise">Independent standard normal numbers, float32 [parameters] on the same device.</param>
    private protected abstract void Move(Tensor parameters, Tensor noise);
}
