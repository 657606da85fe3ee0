using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>Finished runs, each trained at its first use, and images to predict. Tests only read them.</summary>
public sealed class TrainedModels : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, TrainingRun> _runs = [];

    /// <summary>The folder with every test image of the digits.</summary>
    internal string Images => _folder["images"];

    public ValueTask InitializeAsync()
    {
        DigitImages.WriteTo(Images);
        return ValueTask.CompletedTask;
    }

    private static readonly Dictionary<string, string[]> _settings = new(StringComparer.Ordinal)
    {
        ["cnn"] = ["epochs=1"],
        ["resnet"] = ["epochs=1", "model={name: resnet, blocks: [1, 2], channels: [8, 16]}"],
        ["mlp"] = ["epochs=2", "model={name: mlp, hidden: [128, 64]}"],
    };

    /// <summary>The run of a model of docs/interoperability.md: cnn, resnet or mlp.</summary>
    internal async Task<TrainingRun> RunAsync(string model)
    {
        if (_runs.TryGetValue(model, out var known)) return known;
        var run = _runs[model] =
            TrainingRun.Start(JobFile.Parse(JobFile.Format(Job.Default), "the embedded job", _settings[model]), "--workers", "1");
        await run.Coordinator.EndsWithAsync(0);
        return run;
    }

    public ValueTask DisposeAsync()
    {
        foreach (var run in _runs.Values) run.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Tests that use finished runs.</summary>
[CollectionDefinition(Name)]
public sealed class Trained : ICollectionFixture<TrainedModels>
{
    public const string Name = "trained";
}
