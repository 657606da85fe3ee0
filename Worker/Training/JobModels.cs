using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Creates what a job names. Each method has one line for each built-in task, model or optimizer: its name or the type of its
/// specification, and its class.
/// </summary>
internal static class JobModels
{
    /// <exception cref="PluginException">The job's own task cannot be created.</exception>
    public static ITrainingTask CreateTask(Job job, DataSet data, PluginSet? plugins = null) => job.Task switch
    {
        _ when job.PluginTask is { } plugin => (plugins ?? PluginSet.None).CreateTask(plugin, data),
        _ when job.Task == TaskKind.Classification.Name => new Classification(data, job.IsEvaluation, AugmentationOf(job, data)),
        _ when job.Task == TaskKind.BinaryClassification.Name => new BinaryClassification(data, job.IsEvaluation),
        _ when job.Task == TaskKind.Regression.Name => new Regression(data, job.Loss),
        _ when job.Task == TaskKind.Segmentation.Name => new Segmentation(data),
        _ when job.Task == TaskKind.Detection.Name => new ObjectDetection(data),
        _ when job.Task == TaskKind.Generation.Name => new Generation(data),
        _ => throw new NotSupportedException($"task '{job.Task}' has no class"),
    };

    /// <summary>Creates the model of a job, with initial parameters drawn from the job's seed: the same on every worker.</summary>
    /// <exception cref="PluginException">The job's own model cannot be created.</exception>
    public static nn.Module CreateModel(Job job, SampleFormat samples, PluginSet? plugins = null)
    {
        using var generator = manual_seed(job.Seed);
        var (shape, outputs) = (samples.Shape, job.Task == TaskKind.BinaryClassification.Name ? 1 : samples.Outputs);
        return job.Model switch
        {
            CnnSpec spec => new Cnn(spec, shape, outputs),
            ResNetSpec spec => new ResNet(spec, shape, outputs),
            MlpSpec spec => new Mlp(spec, shape, outputs),
            UNetSpec spec => new UNet(spec, shape, outputs),
            DetectorSpec spec => new Detector(spec, shape, outputs),
            DcganSpec spec => new Dcgan(spec, shape, outputs),
            PluginSpec spec => (plugins ?? PluginSet.None).CreateModel(spec, samples, outputs),
            TorchScriptSpec spec => TorchScript.Load(spec),
            _ => throw new NotSupportedException($"model '{job.Model}' has no class"),
        };
    }

    public static IVectorOptimizer CreateOptimizer(Job job, Tensor parameters) => job.Optimizer switch
    {
        SgdSpec spec => new Sgd(parameters, spec.Momentum, spec.Nesterov, spec.WeightDecay),
        AdamWSpec spec => new AdamW(parameters, spec.Beta1, spec.Beta2, spec.Epsilon, spec.WeightDecay),
        AdamSpec spec => new Adam(parameters, spec.Beta1, spec.Beta2, spec.Epsilon, spec.WeightDecay),
        RandomSearchSpec spec => new RandomSearch(job.Seed, spec.Scale),
        LocalSearchSpec spec => new LocalSearch(job.Seed, spec.StepSize),
        _ => throw new NotSupportedException($"optimizer '{job.Optimizer}' has no class"),
    };

    /// <summary>Creates the model of a job with trained tensors, in evaluation mode.</summary>
    /// <exception cref="InvalidDataException">The tensors are not those of the job's model.</exception>
    public static nn.Module LoadModel(
        Job job, SampleFormat samples, IReadOnlyCollection<TensorData> tensors, Device device, PluginSet? plugins = null)
    {
        var model = CreateModel(job, samples, plugins);
        ModelFile.Load(model, tensors);
        model.eval();
        return model.to(device);
    }

    private static Augmentation? AugmentationOf(Job job, DataSet data) =>
        job.Augment != new AugmentSpec() && data.Train.Format is ImageFormat images ? new(job.Augment, images, job.Seed) : null;
}
