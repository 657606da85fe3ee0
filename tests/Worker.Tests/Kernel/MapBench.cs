using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>A copy of a micro-batch's contribution.</summary>
internal sealed record Contribution(float[] Floats, double[] Tallies)
{
    public double Samples => Tallies[Tally.Samples];
    public double Loss => Tallies[Tally.Loss];
    public double Correct => Tallies[Tally.FirstMetric];

    /// <summary>For exact comparison: NaN equals itself, and -0 differs from 0.</summary>
    public byte[] Bits => [.. MemoryMarshal.AsBytes(Floats.AsSpan()), .. MemoryMarshal.AsBytes(Tallies.AsSpan())];
}

/// <summary>The map and the model of a job in the initial state.</summary>
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

    /// <summary>The content of a vector before a contribution is computed into it.</summary>
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

    /// <summary>The sum over all micro-batches of a round.</summary>
    public Contribution Sum(Round round) => Enumerable.Range(0, round.MicroBatches).Select(id => Compute(round, id)).Aggregate((a, b) =>
        new([.. a.Floats.Zip(b.Floats, (x, y) => x + y)], [.. a.Tallies.Zip(b.Tallies, (x, y) => x + y)]));

    public void Dispose()
    {
        Map.Dispose();
        Model.Dispose();
        _pool.Dispose();
    }
}
