using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

/// <summary>Tasks on a few scenes, which are the training set and the test set.</summary>
internal static class SceneBench
{
    private static readonly ImageSet _digits = (ImageSet)Digits.Load().Train;

    public static DataSet Some(SceneTargets targets, int count)
    {
        var set = new SceneSet(DigitScenes.FormatOf(targets),
            [.. Enumerable.Range(0, count).Select(number => SceneRecipe.Make(_digits, 3, number))]);
        return new("some scenes", set, set);
    }

    /// <summary>Loss, its gradient by the outputs, and metrics of given outputs.</summary>
    public static (double Loss, float[] Gradient, double[] Metrics) Evaluate(SupervisedTask task, float[] outputs, params long[] shape)
    {
        using var scope = NewDisposeScope();
        using var model = new Fixed(tensor(outputs).reshape(shape).requires_grad_());
        var metrics = new double[task.Metrics];
        using var batch = task.Fetch(RoundKind.Train, 0, [.. Enumerable.Range(0, (int)shape[0])], CPU);
        var loss = task.LossSum(model, batch, metrics);
        loss.backward();
        return (loss.item<float>(), model.Output.grad!.data<float>().ToArray(), metrics);
    }

    /// <summary>Trains on all scenes at once.</summary>
    /// <returns>The loss before and after, and the sums of the metrics after training, in evaluation mode.</returns>
    public static (double Before, double After, double[] Metrics) Learn(SupervisedTask task, nn.Module model, int steps)
    {
        set_num_threads(1);
        var samples = task.TrainSamples;
        using var all = task.Fetch(RoundKind.Train, 0, [.. Enumerable.Range(0, samples)], CPU);
        var metrics = new double[task.Metrics];
        using var optimizer = optim.Adam(model.parameters(), 0.01);
        var before = Loss();
        model.train();
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (task.LossSum(model, all, metrics) / samples).backward();
            optimizer.step();
        }
        return (before, Loss(), metrics);

        double Loss()
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            model.eval();
            return task.LossSum(model, all, metrics).item<float>() / samples;
        }
    }

    private sealed class Fixed(Tensor output) : nn.Module<Tensor, Tensor>(nameof(Fixed))
    {
        public Tensor Output => output;

        public override Tensor forward(Tensor input) => output.alias();
    }
}
