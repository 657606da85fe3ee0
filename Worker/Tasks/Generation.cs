using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Generation of images of a given class. A step has two phases on the same parameters: the discriminator learns to tell real images from
/// generated ones, and the generator learns to deceive it (the non-saturating loss of Goodfellow et al. 2014). One exchanged gradient
/// updates both; the loss is the sum of both. The metric is the number of generated images that <see cref="NearestMean"/> assigns to the
/// class asked for.
/// </summary>
internal sealed class Generation(DataSet data) : DataTask(data), IPicturedTask
{
    /// <summary>Seeds the noise of evaluations, which is the same in each.</summary>
    private const long EvaluationSeed = 1;

    private const int SamplesOfClass = 8;
    private readonly NearestMean _judge = NearestMean.Of(data.Train);
    private readonly int _classes = data.Train.Format.Classes;

    public override int Metrics => 1;

    public override Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics)
    {
        var networks = (Dcgan)model;
        using var scope = NewDisposeScope();
        var wanted = batch.Targets.to(ScalarType.Int64);
        var classes = nn.functional.one_hot(wanted, _classes).to(ScalarType.Float32);
        // In training, the step and the micro-batch have seeded the generator already.
        using var generator = model.training ? null : manual_seed(EvaluationSeed);
        var generated = Generate(networks, randn([wanted.shape[0], networks.Latent], device: batch.Inputs.device), classes);
        metrics[0] = model.training ? 0 : _judge.ClassesOf(generated.detach()).eq(wanted).sum().item<long>();

        var logits = networks.Discriminator.call(cat([batch.Inputs, generated.detach()]), cat([classes, classes])).chunk(2);
        var discriminatorLoss = nn.functional.softplus(-logits[0]).sum() + nn.functional.softplus(logits[1]).sum();
        var generatorLoss = nn.functional.softplus(-networks.Discriminator.Frozen(generated, classes)).sum();
        return (discriminatorLoss + generatorLoss).MoveToOuterDisposeScope();
    }

    public SKBitmap Draw(nn.Module model, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = manual_seed(EvaluationSeed);
        var networks = (Dcgan)model;
        var wanted = arange(SamplesOfClass * _classes, ScalarType.Int64, device) % _classes;
        var classes = nn.functional.one_hot(wanted, _classes).to(ScalarType.Float32);
        // A row shares its noise, a column its class.
        var noise = randn([SamplesOfClass, networks.Latent], device: device).repeat_interleave(_classes, 0);
        var pixels = (Generate(networks, noise, classes) * byte.MaxValue).round().to(ScalarType.Byte).cpu();
        return GeneratedPicture.Draw(pixels.bytes, (ImageFormat)Data.Train.Format, _classes);
    }

    /// <param name="classes">Float32 [samples, classes], one-hot.</param>
    /// <returns>Float32 [samples, channels, height, width], each value 0 to 1; the caller disposes it.</returns>
    public static Tensor Generate(Dcgan model, Tensor noise, Tensor classes)
    {
        using var inputs = cat([noise, classes], 1);
        return model.call(inputs);
    }
}

/// <summary>A classifier of images by the nearest mean image of the training set.</summary>
/// <param name="means">Float32: the mean image of each class in turn.</param>
internal sealed class NearestMean(float[] means, int classes)
{
    public static NearestMean Of(SampleSet set)
    {
        var (size, classes) = (set.Format.SampleSize, set.Format.Classes);
        var (sums, counts) = (new double[classes * size], new int[classes]);
        var (image, target) = (new float[size], new float[1]);
        for (var i = 0; i < set.Count; i++)
        {
            set.CopyTo([i], image, target);
            var first = (int)target[0] * size;
            counts[(int)target[0]]++;
            for (var j = 0; j < size; j++) sums[first + j] += image[j];
        }
        // A class without samples is infinitely far away.
        return new([.. sums.Select((sum, i) => counts[i / size] > 0 ? (float)(sum / counts[i / size]) : float.PositiveInfinity)], classes);
    }

    /// <returns>Int64 [samples]; the caller disposes it.</returns>
    public Tensor ClassesOf(Tensor images)
    {
        using var scope = NewDisposeScope();
        var centres = tensor(means).view(classes, -1).to(images.device);
        return (images.flatten(1).unsqueeze(1) - centres).square().sum(2).argmin(1).MoveToOuterDisposeScope();
    }
}
