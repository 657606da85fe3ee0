using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Images like those of the training set, class by class. A step has two phases on the same parameters: the discriminator learns to tell
/// images from what is generated, and the generator to make what it takes for real (the non-saturating loss of Goodfellow et al. 2014);
/// then both are updated at once, with one gradient to exchange. The loss is the sum of both. The metric: how many generated images a
/// simple judge, <see cref="NearestMean"/>, takes for the class that was asked for.
/// </summary>
internal sealed class Generation(DataSet data) : DataTask(data), IPicturedTask
{
    /// <summary>Of the noise of evaluations, which is the same each time.</summary>
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
        // That of training is seeded by the step and the micro-batch already.
        using var generator = model.training ? null : manual_seed(EvaluationSeed);
        var made = Generate(networks, randn([wanted.shape[0], networks.Latent], device: batch.Inputs.device), classes);
        metrics[0] = model.training ? 0 : _judge.ClassesOf(made.detach()).eq(wanted).sum().item<long>();

        var judged = networks.Discriminator.call(cat([batch.Inputs, made.detach()]), cat([classes, classes])).chunk(2);
        var told = nn.functional.softplus(-judged[0]).sum() + nn.functional.softplus(judged[1]).sum();
        var passed = nn.functional.softplus(-networks.Discriminator.Frozen(made, classes)).sum();
        return (told + passed).MoveToOuterDisposeScope();
    }

    public SKBitmap Draw(nn.Module model, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = manual_seed(EvaluationSeed);
        var networks = (Dcgan)model;
        var wanted = arange(SamplesOfClass * _classes, ScalarType.Int64, device) % _classes;
        var classes = nn.functional.one_hot(wanted, _classes).to(ScalarType.Float32);
        // A row of one noise, so that a column differs in noise alone, and a row in the class.
        var noise = randn([SamplesOfClass, networks.Latent], device: device).repeat_interleave(_classes, 0);
        var made = (Generate(networks, noise, classes) * byte.MaxValue).round().to(ScalarType.Byte).cpu();
        return GeneratedPicture.Draw(made.bytes, (ImageFormat)Data.Train.Format, _classes);
    }

    /// <param name="noise">Float32 [samples, latent].</param>
    /// <param name="classes">Float32 [samples, classes]: 1 at the place of the class.</param>
    /// <returns>Float32 [samples, channels, height, width], each value 0 to 1; the caller disposes it.</returns>
    public static Tensor Generate(Dcgan model, Tensor noise, Tensor classes)
    {
        using var inputs = cat([noise, classes], 1);
        return model.call(inputs);
    }
}
