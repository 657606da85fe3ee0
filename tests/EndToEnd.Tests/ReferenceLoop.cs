using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.State;
using Distributed.Transport.Buffers;
using Distributed.Worker.Data;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.EndToEnd.Tests;

/// <summary>The result of a job.</summary>
/// <param name="Model">The trained model, as a file.</param>
/// <param name="Steps">For every step the mean loss of its batch, and the update.</param>
/// <param name="TestLoss">Mean over the test set after the last epoch.</param>
/// <param name="TestMetric">The task's metric, likewise.</param>
internal sealed record Reference(byte[] Model, IReadOnlyList<(double Loss, AppliedStep Applied)> Steps, double TestLoss, double TestMetric);

/// <summary>
/// Trains a job by a plain loop: one process, one thread, no workers, plans, messages or links. A cluster must train the same bits.
/// Torch's number of threads and its random generator belong to the whole process, so one job is trained at a time.
/// </summary>
internal static class ReferenceLoop
{
    private const string ModelPrefix = "model.";

    private static readonly Lock _turn = new();
    private static readonly Dictionary<string, Reference> _known = [];

    /// <summary>Trains the job, or returns the result of the same job in another topology.</summary>
    /// <param name="dataDirectory">Folder of its data; null if the data is embedded.</param>
    public static Reference Train(Job job, string? dataDirectory = null)
    {
        var key = $"{dataDirectory}\n{JobFile.Format(job with { Topology = "star" })}";
        lock (_turn)
        {
            if (!_known.TryGetValue(key, out var reference)) _known[key] = reference = Run(job, new() { DataDirectory = dataDirectory });
            return reference;
        }
    }

    private static Reference Run(Job job, DataOptions data)
    {
        set_num_threads(job.Threads);
        using var replica = new Replica(job, DataSets.Load(job, data), CPU);
        using var pool = new VectorPool(replica.Map.Layout);
        var buffer = pool.Rent();
        List<(double, AppliedStep)> steps = [];
        double[] evaluation = [];
        for (var number = 0L; number < replica.Rounds.Count; number++)
        {
            var round = replica.Rounds.At(number);
            var sum = Sum(new(0, round.MicroBatches), id => Contribution(replica.Map, round, id, buffer));
            var samples = (float)sum.Tallies[Tally.Samples];
            if (round.Kind == RoundKind.Evaluate)
            {
                evaluation = sum.Tallies;
                continue;
            }
            for (var i = 0; i < sum.Floats.Length; i++) buffer.Floats[i] = sum.Floats[i] / samples;
            sum.Tallies.CopyTo(buffer.Tallies);
            steps.Add((sum.Tallies[Tally.Loss] / samples, replica.Apply.Step(round, buffer)));
        }
        buffer.Release();
        var model = Safetensors.Read(replica.Serialize()).Tensors
            .Where(tensor => tensor.Name.StartsWith(ModelPrefix, StringComparison.Ordinal))
            .Select(tensor => tensor with { Name = tensor.Name[ModelPrefix.Length..] });
        return new(Safetensors.ToBytes([.. model]), steps, evaluation[Tally.Loss] / evaluation[Tally.Samples],
            job.Kind.Metric.Of(evaluation.AsSpan(Tally.FirstMetric), (long)evaluation[Tally.Samples]));
    }

    private static (float[] Floats, double[] Tallies) Contribution(Map map, Round round, int id, VectorBuffer buffer)
    {
        map.Compute(round, id, buffer);
        return (buffer.Floats.ToArray(), buffer.Tallies.ToArray());
    }

    private static (float[] Floats, double[] Tallies) Sum(TreeNode node, Func<int, (float[] Floats, double[] Tallies)> contribution)
    {
        if (node.Count == 1) return contribution(node.First);
        var (left, right) = ReductionTree.Children(node);
        var (a, b) = (Sum(left, contribution), Sum(right, contribution));
        for (var i = 0; i < a.Floats.Length; i++) a.Floats[i] = a.Floats[i] + b.Floats[i];
        for (var i = 0; i < a.Tallies.Length; i++) a.Tallies[i] = a.Tallies[i] + b.Tallies[i];
        return a;
    }
}
