using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>
/// A model that is trained beside others in one process. Torch's random generator belongs to the process, so only one model computes
/// at a time; the exchange between them runs concurrently.
/// </summary>
internal sealed class TrainedMapping(Job job, DataSet data) : IMapping, IDisposable
{
    private static readonly Lock _turn = new();

    private readonly Replica _replica = new(job, data, CPU);

    /// <summary>The result of each round: the digest of parameters and buffers, and the sums over its samples.</summary>
    public List<(StateDigest Digest, double[] Tallies)> Applied { get; } = [];

    public void Compute(Round round, int microBatch, VectorBuffer contribution, Action<int> announce)
    {
        lock (_turn)
        {
            set_num_threads(job.Threads);
            _replica.Map.Compute(round, microBatch, contribution, announce);
        }
    }

    public void Apply(Round round, VectorBuffer average)
    {
        lock (_turn)
        {
            set_num_threads(job.Threads);
            double[] tallies = [.. average.Tallies];
            if (round.Kind == RoundKind.Train) _replica.Apply.Step(round, average);
            Applied.Add((_replica.Digest(), tallies));
        }
    }

    public void Dispose() => _replica.Dispose();
}
