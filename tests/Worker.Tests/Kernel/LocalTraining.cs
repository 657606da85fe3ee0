using System.Numerics.Tensors;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>A replica that executes its rounds on its own, like a cluster of one worker: map, reduce, apply.</summary>
internal sealed class LocalTraining : IDisposable
{
    private readonly VectorPool _pool;
    private readonly int _threads;

    public LocalTraining(Job job, DataSet? data = null)
    {
        _threads = job.Threads;
        Replica = new(job, data ?? TestJobs.Data, CPU);
        _pool = Replica.CreatePool();
    }

    public Replica Replica { get; }

    /// <returns>The digest after each round.</returns>
    public StateDigest[] Run(long first, long end) => [.. RunEach(first, end)];

    /// <returns>The tallies of the round.</returns>
    public double[] Run(long number)
    {
        var round = Replica.Rounds.At(number);
        var average = Average(round);
        if (round.Kind == RoundKind.Train) Replica.Apply.Step(round, average);
        double[] tallies = [.. average.Tallies];
        average.Release();
        return tallies;
    }

    /// <summary>The averaged contribution of a round; the caller releases it.</summary>
    public VectorBuffer Average(Round round)
    {
        // A property of the computing thread: a test may continue on another one after an await.
        set_num_threads(_threads);
        var average = Sum(round, new(0, round.MicroBatches));
        if (round.Kind == RoundKind.Train) TensorPrimitives.Divide(average.Floats, round.Samples, average.Floats);
        return average;
    }

    private VectorBuffer Sum(Round round, TreeNode node)
    {
        if (node.Count == 1)
        {
            var contribution = _pool.Rent();
            Replica.Map.Compute(round, node.First, contribution);
            return contribution;
        }
        var (left, right) = ReductionTree.Children(node);
        var (sum, other) = (Sum(round, left), Sum(round, right));
        for (var slice = _pool.Layout.FirstSlice(round.Kind); slice < _pool.Layout.Slices; slice++) VectorSums.Add(sum, other, slice);
        other.Release();
        return sum;
    }

    public void Dispose()
    {
        Replica.Dispose();
        _pool.Dispose();
    }

    private IEnumerable<StateDigest> RunEach(long first, long end)
    {
        for (var number = first; number < end; number++)
        {
            Run(number);
            yield return Replica.Digest();
        }
    }
}
