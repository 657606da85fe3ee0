using Distributed.Coordinator.Commands;
using Distributed.Hosting.Processes;

return await CommandLine.RunAsync(CoordinatorCommands.Create(), args.Length == 0 ? ["train"] : args);
