using Distributed.Shared.Jobs;
using Distributed.Worker.Data;
using Distributed.Worker.Models;
using Distributed.Worker.Optimizers;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>From the words of a job file to the things that they name.</summary>
public static class JobModels
{
    /// <summary>The model of a job, with its initial parameters drawn from the job's seed: the same on every worker.</summary>
    public static nn.Module<Tensor, Tensor> CreateModel(Job job, ImageSet samples) => CreateModel(job, samples.Format);

    /// <summary>As above, for images that are not at hand.</summary>
    public static nn.Module<Tensor, Tensor> CreateModel(Job job, ImageFormat samples)
    {
        using var generator = manual_seed(job.Seed);
        return job.Model switch
        {
            CnnSpec cnn => new Cnn(samples.Channels, samples.Height, samples.Width, samples.Classes, [.. cnn.Channels], cnn.Hidden, cnn.BatchNorm, cnn.Dropout),
            MlpSpec mlp => new Mlp(samples.SampleSize, [.. mlp.Hidden], samples.Classes, mlp.Activation, mlp.Dropout),
            var other => throw new NotSupportedException($"no model for {other}"),
        };
    }

    /// <summary>The optimizer of a job for these parameters.</summary>
    public static IVectorOptimizer CreateOptimizer(OptimizerSpec optimizer, Tensor parameters) => optimizer switch
    {
        SgdSpec sgd => new Sgd(parameters, sgd.Momentum, sgd.Nesterov, sgd.WeightDecay),
        AdamWSpec adam => new AdamW(parameters, adam.Beta1, adam.Beta2, adam.Epsilon, adam.WeightDecay),
        AdamSpec adam => new Adam(parameters, adam.Beta1, adam.Beta2, adam.Epsilon, adam.WeightDecay),
        var other => throw new NotSupportedException($"no optimizer for {other}"),
    };
}
