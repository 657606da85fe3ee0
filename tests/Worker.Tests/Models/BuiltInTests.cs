using Distributed.Jobs;
using Distributed.Worker.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Tests.Tasks;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

/// <summary>Every built-in that a job file can name has a class.</summary>
[Collection(TorchTests.Name)]
public sealed class BuiltInTests
{
    [Fact]
    public void Every_model_has_a_class()
    {
        var images = Digits.Format with { Height = 32, Width = 32 };
        foreach (var spec in Specifications<ModelSpec>().Where(spec => spec is not (PluginSpec or TorchScriptSpec)))
            JobModels.CreateModel(TestJobs.Of(spec), images).Dispose();
    }

    [Fact]
    public void Every_optimizer_has_a_class()
    {
        using var parameters = zeros(3);
        foreach (var spec in Specifications<OptimizerSpec>())
            JobModels.CreateOptimizer(Job.Default with { Optimizer = spec }, parameters).Dispose();
    }

    [Fact]
    public void Every_task_has_a_class()
    {
        foreach (var kind in TaskKind.All.Where(kind => kind != TaskKind.Plugin))
        {
            var data = kind.Data[0] switch
            {
                var name when name == DigitScenes.Masks.Name => SceneBench.Some(SceneTargets.Masks, 2),
                var name when name == DigitScenes.Boxes.Name => SceneBench.Some(SceneTargets.Boxes, 2),
                _ => TestJobs.Data,
            };
            Assert.NotNull(JobModels.CreateTask(Job.Default with { Task = kind.Name, Loss = kind.Losses[0] }, data));
        }
    }

    private static IEnumerable<T> Specifications<T>() =>
        typeof(T).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(T)) && !type.IsAbstract)
            .Select(type => (T)Activator.CreateInstance(type)!);
}
