using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>From the words of a job file to the things that they name.</summary>
internal static class JobModels
{
    /// <summary>The model of a job, with its initial parameters drawn from the job's seed: the same on every worker.</summary>
    /// <param name="plugins">Libraries of models; null for none.</param>
    /// <exception cref="PluginException">It is a model of the user's own that cannot be had.</exception>
    public static nn.Module CreateModel(Job job, SampleFormat samples, PluginSet? plugins = null)
    {
        using var generator = manual_seed(job.Seed);
        var outputs = job.Task == TaskKind.BinaryClassification.Name ? 1 : samples.Outputs;
        return (job.Model, samples) switch
        {
            (CnnSpec cnn, { Shape: [var channels, var height, var width] }) => new Cnn(channels, height, width, outputs, [.. cnn.Channels], cnn.Hidden, cnn.BatchNorm, cnn.Dropout),
            (ResNetSpec resnet, { Shape: [var channels, _, _] }) => new ResNet(channels, outputs, [.. resnet.Blocks], [.. resnet.Channels], resnet.Norm),
            (UNetSpec unet, SceneFormat scenes) => new UNet(1, scenes.Side, scenes.Side, scenes.Classes, [.. unet.Channels], unet.BatchNorm),
            (DetectorSpec detector, SceneFormat scenes) => new Detector(1, scenes.Side, scenes.Classes, [.. detector.Channels], detector.BatchNorm),
            (DcganSpec dcgan, ImageFormat images) => new Dcgan(images.Channels, images.Height, images.Width, images.Classes, dcgan.Latent, dcgan.Channels, dcgan.Dropout),
            (MlpSpec mlp, _) => new Mlp(samples.SampleSize, [.. mlp.Hidden], outputs, mlp.Activation, mlp.Dropout),
            (CnnSpec or ResNetSpec, _) => throw new DataException($"model cnn and resnet are for images; a sample of {job.Data} has the shape [{string.Join(", ", samples.Shape)}], not [channels, rows, columns]"),
            (PluginSpec plugin, _) => (plugins ?? PluginSet.None).CreateModel(plugin, samples, outputs),
            (TorchScriptSpec script, _) => TorchScript.Load(script),
            var (other, _) => throw new NotSupportedException($"no model for {other} of {samples}"),
        };
    }

    /// <summary>The model of a job as it was trained, in evaluation mode.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="plugins">Libraries of models; null for none.</param>
    /// <returns>The caller disposes it.</returns>
    /// <exception cref="InvalidDataException">The tensors are not those of the job's model.</exception>
    public static nn.Module LoadModel(Job job, SampleFormat samples, IReadOnlyCollection<TensorData> tensors, Device device, PluginSet? plugins = null)
    {
        var model = CreateModel(job, samples, plugins);
        try
        {
            ModelFile.Load(model, tensors);
        }
        catch
        {
            model.Dispose();
            throw;
        }
        model.eval();
        return model.to(device);
    }

    /// <param name="plugins">Libraries of tasks; null for none.</param>
    /// <exception cref="PluginException">It is a task of the user's own that cannot be had.</exception>
    public static ITrainingTask CreateTask(Job job, DataSet data, PluginSet? plugins = null) => job.Task switch
    {
        _ when job.PluginTask is { } plugin => (plugins ?? PluginSet.None).CreateTask(plugin, data),
        _ when job.Task == TaskKind.Classification.Name => new Classification(data, withConfusion: job.IsEvaluation, AugmentationOf(job, data)),
        _ when job.Task == TaskKind.BinaryClassification.Name => new BinaryClassification(data, withConfusion: job.IsEvaluation),
        _ when job.Task == TaskKind.Regression.Name => new Regression(data, job.Loss),
        _ when job.Task == TaskKind.Segmentation.Name => new Segmentation(data),
        _ when job.Task == TaskKind.Detection.Name => new ObjectDetection(data),
        _ when job.Task == TaskKind.Generation.Name => new Generation(data),
        var other => throw new NotSupportedException($"no task for {other}"),
    };

    private static Augmentation? AugmentationOf(Job job, DataSet data) =>
        job.Augment != new AugmentSpec() && data.Train.Format is ImageFormat images ? new(job.Augment, images, job.Seed) : null;

    public static IVectorOptimizer CreateOptimizer(Job job, Tensor parameters) => job.Optimizer switch
    {
        SgdSpec sgd => new Sgd(parameters, sgd.Momentum, sgd.Nesterov, sgd.WeightDecay),
        AdamWSpec adam => new AdamW(parameters, adam.Beta1, adam.Beta2, adam.Epsilon, adam.WeightDecay),
        AdamSpec adam => new Adam(parameters, adam.Beta1, adam.Beta2, adam.Epsilon, adam.WeightDecay),
        RandomSearchSpec search => new RandomSearch(job.Seed, search.Scale),
        LocalSearchSpec search => new LocalSearch(job.Seed, search.StepSize),
        var other => throw new NotSupportedException($"no optimizer for {other}"),
    };
}
