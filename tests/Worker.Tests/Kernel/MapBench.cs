using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>What a micro-batch gave.</summary>
internal sealed record Contribution(float[] Floats, double[] Tallies)
{
    public double Samples => Tallies[Tally.Samples];
    public double Loss => Tallies[Tally.Loss];
    public double Correct => Tallies[Tally.FirstMetric];

    /// <summary>All of it, for exact comparison: a float that is not a number equals itself, and -0 is not 0.</summary>
    public byte[] Bits => [.. MemoryMarshal.AsBytes(Floats.AsSpan()), .. MemoryMarshal.AsBytes(Tallies.AsSpan())];
}

/// <summary>The map of a job in its initial state, with the model in reach.</summary>
internal sealed class MapBench : IDisposable
{
    private readonly VectorPool _pool;

    public MapBench(Job job)
    {
        var data = TestJobs.Data;
        Model = new(JobModels.CreateModel(job, data.Train.Format), CPU);
        Map = new(Model, new Classification(data), job.Seed, CPU);
        Rounds = job.ToShape().RoundsOf(data.Train.Count, data.Test.Count);
        _pool = new(Map.Layout, layout => new TorchMemory(Model, layout));
    }

    /// <summary>What the vector holds before a contribution is computed into it.</summary>
    public const float Garbage = 42;

    public FlatModel Model { get; }

    public Map Map { get; }

    public Rounds Rounds { get; }

    public int Parameters => (int)Model.Parameters.numel();

    public Contribution Compute(long round, int microBatch) => Compute(Rounds.At(round), microBatch);

    public Contribution Compute(Round round, int microBatch)
    {
        var vector = _pool.Rent();
        vector.Floats.Fill(Garbage);
        vector.Tallies.Fill(Garbage);
        Map.Compute(round, microBatch, vector);
        var contribution = new Contribution(vector.Floats.ToArray(), vector.Tallies.ToArray());
        vector.Release();
        return contribution;
    }

    /// <summary>Element by element over all micro-batches of a round.</summary>
    public Contribution Sum(Round round) => Enumerable.Range(0, round.MicroBatches).Select(id => Compute(round, id)).Aggregate((a, b) =>
        new([.. a.Floats.Zip(b.Floats, (x, y) => x + y)], [.. a.Tallies.Zip(b.Tallies, (x, y) => x + y)]));

    public void Dispose()
    {
        Map.Dispose();
        Model.Dispose();
        _pool.Dispose();
    }
}
